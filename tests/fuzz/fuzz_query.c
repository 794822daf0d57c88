/* Queries of HTTP requests: single parameters, channels of plain clients, and event ids. The first
 * line is the query; what follows stands for cf_connect or the body. */
#include "client/channel_rules.h"
#include "fuzz.h"
#include "net/event_id.h"
#include "net/http_request.h"
#include "net/uni_request.h"
#include "worker.h"

static struct hf_config *load(void)
{
    static const char *const argv[] = {"holdfast", NULL};
    static const char *const envp[] = {
        "HOLDFAST_CHANNEL_NAMESPACES=[{\"name\":\"chat\",\"allow_subscribe_for_client\":true}]",
        NULL};
    struct hf_config_result result = {0};
    struct hf_config *config;

    assert(hf_config_load(&result, 1, argv, envp) == HF_CONFIG_LOADED);
    config = result.config;
    result.config = NULL;
    hf_config_result_fini(&result);
    return config;
}

/* A value fits its room, and is the same in a larger one. */
static void check_parameter(const struct hf_http_request *request, const char *name)
{
    char large[8192];
    char small[16];
    size_t large_len = 0;
    size_t small_len = 0;

    if (hf_http_query(request, name, small, sizeof(small), &small_len)) {
        assert(small_len <= sizeof(small));
        assert(hf_http_query(request, name, large, sizeof(large), &large_len));
        assert(large_len == small_len && memcmp(large, small, small_len) == 0);
    }
}

/* An id that is read says the same when it is written. */
static void check_event_id(const struct hf_http_request *request, struct hf_event_ids *ids)
{
    char text[8192];
    char again[HF_EVENT_ID_TEXT_SIZE];
    size_t len = 0;

    if (hf_http_query(request, "last_event_id", text, sizeof(text), &len) &&
        hf_event_ids_parse(ids, hf_slice(text, len))) {
        size_t again_len = hf_event_ids_format(ids, again);

        assert(again_len < sizeof(again));
        if (again_len > 0) {
            assert(hf_event_ids_parse(ids, hf_slice(again, again_len)));
        }
    }
}

static void check_uni_request(const struct hf_http_request *request, struct hf_slice text,
                              const struct hf_event_ids *ids)
{
    struct hf_uni_request uni;
    const char *reason = NULL;
    int status = hf_uni_request_read(&uni, request, text, ids, &reason);

    assert(status == 0 || status == 400 || status == 500);
    assert(status == 0 || reason != NULL);
    for (size_t i = 0; status == 0 && i < uni.connect.subs_count; i++) {
        assert(uni.connect.subs[i].channel.data != NULL || uni.connect.subs[i].channel.len == 0);
    }
    hf_uni_request_fini(&uni);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hf_worker worker;
    const uint8_t *line_end = memchr(data, '\n', size);
    size_t query_len = line_end != NULL ? (size_t)(line_end - data) : size;
    size_t text_len = line_end != NULL ? size - query_len - 1 : 0;
    char *query = exact_copy(data, query_len);
    char *text = exact_copy(data + size - text_len, text_len);
    struct hf_http_exchange *exchange = hf__http_exchange_new(4096, 4096);
    struct hf_event_ids *ids = hf_event_ids_new();

    if (worker.config == NULL) {
        worker.config = load();
    }
    assert(exchange != NULL && ids != NULL);
    exchange->request.worker = &worker;
    exchange->request.query = hf_slice(query, query_len);
    check_parameter(&exchange->request, "channel");
    check_parameter(&exchange->request, "since");
    check_event_id(&exchange->request, ids);
    check_uni_request(&exchange->request, hf_slice(text, text_len), ids);
    hf_event_ids_free(ids);
    hf__http_exchange_free(exchange);
    free(query);
    free(text);
    return 0;
}
