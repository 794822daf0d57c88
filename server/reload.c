#include "reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/error.h>
#include <openssl/ssl.h>

#include "log.h"
#include "net/admission.h"
#include "net/tls.h"
#include "worker.h"

enum { REASON_SIZE = 512, NAMES_SIZE = 2048 };

struct hf_retired_config {
    struct hf_retired_config *next;
    struct hf_config *config;
    uint64_t generation; /* workers that have come to it no longer use the configuration */
};

/* --- certificates ----------------------------------------------------------------------------- */

/* A fresh context of what `config` names. False: logged, nothing has changed. */
static bool load_certificates(struct hf_reload *reload, const struct hf_config *config)
{
    const struct hf_config_http_server *server = &config->http_server;
    char reason[REASON_SIZE];
    SSL_CTX *context = hf_tls_context_new(&server->tls, reason, sizeof(reason));
    if (context == NULL) {
        hf_log(HF_LOG_ERROR,
               reload->tls[HF_ENTRANCE_CLIENTS] != NULL
                   ? "the certificate cannot be loaded: the former one stays in use"
                   : "the certificate cannot be loaded",
               "reason=%s", reason);
        return false;
    }
    for (int i = 0; i < HF_ENTRANCES; i++) {
        SSL_CTX_free(reload->tls[i]);
        reload->tls[i] = NULL;
    }
    reload->tls[HF_ENTRANCE_CLIENTS] = context;
    if (!server->tls_external && SSL_CTX_up_ref(context) == 1) {
        reload->tls[HF_ENTRANCE_INTERNAL] = context;
    }
    hf_log(HF_LOG_INFO, "certificate loaded", "not_after=%" PRId64,
           hf_tls_context_not_after(context));
    return true;
}

bool hf_reload_open(struct hf_reload *reload, const struct hf_config *config,
                    const struct hf_config_source *source)
{
    *reload = (struct hf_reload){.source = source, .first = config, .present = config};
    return !config->http_server.tls.enabled || load_certificates(reload, config);
}

/* --- configurations --------------------------------------------------------------------------- */

static void join_names(const struct hf_string_list *list, char text[NAMES_SIZE])
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list->count && at < NAMES_SIZE; i++) {
        int len = snprintf(text + at, NAMES_SIZE - at, "%s%s", i > 0 ? "," : "", list->items[i]);
        at += len > 0 ? (size_t)len : 0;
    }
}

static void log_outcome(const struct hf_config_result *result, enum hf_config_status status,
                        const struct hf_string_list *changed, const struct hf_string_list *waiting)
{
    char names[NAMES_SIZE];
    for (size_t i = 0; i < result->warnings.count; i++) {
        hf_log(HF_LOG_WARN, "configuration", "warning=%s", result->warnings.items[i]);
    }
    for (size_t i = 0; i < result->errors.count; i++) {
        hf_log(HF_LOG_ERROR, "configuration", "error=%s", result->errors.items[i]);
    }
    if (status != HF_CONFIG_LOADED) {
        hf_log(HF_LOG_ERROR, "the configuration is not reloaded: the former one stays in use",
               "reason=%s", status == HF_CONFIG_NO_MEMORY ? "no memory" : "it has errors");
        return;
    }
    join_names(changed, names);
    hf_log(HF_LOG_INFO, "configuration reloaded", "changed=%s", names);
    if (waiting->count > 0) {
        join_names(waiting, names);
        hf_log(HF_LOG_WARN, "changed options that wait for a restart", "options=%s", names);
    }
}

/* The configuration to go over to (owned by the caller), or NULL to stay with the present one. */
static struct hf_config *read_again(const struct hf_reload *reload)
{
    const struct hf_config_source *source = reload->source;
    struct hf_config_result result = {0};
    struct hf_string_list changed = {0};
    struct hf_string_list waiting = {0};
    struct hf_config *config = NULL;
    if (source == NULL) {
        return NULL;
    }
    enum hf_config_status status = hf_config_reload(&result, reload->present, source->argc,
                                                    source->argv, source->envp, &changed, &waiting);
    log_outcome(&result, status, &changed, &waiting);
    if (status == HF_CONFIG_LOADED && changed.count > 0) {
        config = result.config;
        result.config = NULL;
    }
    hf_config_list_fini(&changed);
    hf_config_list_fini(&waiting);
    hf_config_result_fini(&result);
    return config;
}

/* Keeps what was the present configuration until the workers have come to `generation`. False: no
 * memory. */
static bool retire(struct hf_reload *reload, uint64_t generation)
{
    if (reload->present == reload->first) {
        return true;
    }
    struct hf_retired_config *retired = malloc(sizeof(*retired));
    if (retired == NULL) {
        return false;
    }
    *retired = (struct hf_retired_config){
        .next = reload->retired,
        .config = (struct hf_config *)(uintptr_t)reload->present,
        .generation = generation,
    };
    reload->retired = retired;
    return true;
}

void hf_reload_tidy(struct hf_reload *reload, struct hf_worker *const *workers, unsigned count)
{
    uint64_t reached = UINT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        uint64_t generation = hf_worker_generation(workers[i]);
        reached = generation < reached ? generation : reached;
    }
    for (struct hf_retired_config **link = &reload->retired; *link != NULL;) {
        struct hf_retired_config *retired = *link;
        if (retired->generation <= reached) {
            *link = retired->next;
            hf_config_free(retired->config);
            free(retired);
        } else {
            link = &retired->next;
        }
    }
}

/* --- all together ----------------------------------------------------------------------------- */

static void tell_workers(const struct hf_reload *reload, struct hf_worker *const *workers,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int result = hf_worker_reload(workers[i], reload->present, reload->tls, reload->generation);
        if (result != HF_OK) {
            hf_log(HF_LOG_ERROR, "a worker stays with the former configuration",
                   "worker=%u error=%s", i, hf_error_text(result));
        }
    }
}

void hf_reload_run(struct hf_reload *reload, struct hf_worker *const *workers, unsigned count,
                   struct hf_admission *admission)
{
    struct hf_config *config = read_again(reload);
    bool has_news = false;
    if (config != NULL && retire(reload, reload->generation + 1)) {
        reload->present = config;
        hf_admission_set_limits(admission, config->client.connection_limit,
                                config->client.connection_rate_limit);
        has_news = true;
    } else if (config != NULL) {
        hf_log(HF_LOG_ERROR, "no memory to reload the configuration", "");
        hf_config_free(config);
    }
    if (reload->present->http_server.tls.enabled) {
        has_news = load_certificates(reload, reload->present) || has_news;
    }
    if (has_news) {
        reload->generation++;
        tell_workers(reload, workers, count);
    }
    hf_reload_tidy(reload, workers, count);
}

void hf_reload_close(struct hf_reload *reload)
{
    hf_reload_tidy(reload, NULL, 0);
    if (reload->present != reload->first) {
        hf_config_free((struct hf_config *)(uintptr_t)reload->present);
    }
    for (int i = 0; i < HF_ENTRANCES; i++) {
        SSL_CTX_free(reload->tls[i]);
    }
}
