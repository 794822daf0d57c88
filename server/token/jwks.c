#include "token/jwks.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

#include <curl/curl.h>

#include "log.h"

/* The longest sleep of a fetch in curl's own poll; it is woken for everything that matters. */
#define POLL_MS 1000

struct hf_jwks {
    LIST_ENTRY(hf_jwks) in_list;
    char *address; /* owned */
    struct hf_jwks_limits limits;
    unsigned users; /* under list_lock */
    pthread_t thread;
    CURLM *multi; /* the thread's, but for wake-ups */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct hf_key_set *set; /* NULL: none yet */
    uint64_t fetches;       /* that have ended */
    int64_t succeeded_ms;   /* when the last good one began; monotonic */
    bool is_wanted;
    bool is_stopping;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, hf_jwks) list = LIST_HEAD_INITIALIZER(list);

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *hf_jwks_address_error(const char *address)
{
    if (strncasecmp(address, "http://", 7) != 0 && strncasecmp(address, "https://", 8) != 0) {
        return "must begin with http:// or https://";
    }
    if (strstr(address, "{{") != NULL) {
        return "placeholders ({{...}}) are known but not offered in this version";
    }
    return NULL;
}

/* --- one fetch (the thread) ----------------------------------------------------------------- */

struct answer {
    char *data; /* owned */
    size_t len;
    size_t max;
    bool is_too_long;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    size_t len = size * count;
    char *grown;

    answer->is_too_long = len > answer->max - answer->len;
    if (answer->is_too_long) {
        return 0; /* ends the fetch */
    }
    grown = realloc(answer->data, answer->len + len);
    if (grown == NULL) {
        return 0;
    }
    memcpy(grown + answer->len, data, len);
    answer->data = grown;
    answer->len += len;
    return len;
}

static bool is_stopping(struct hf_jwks *jwks)
{
    bool answer;

    (void)pthread_mutex_lock(&jwks->lock);
    answer = jwks->is_stopping;
    (void)pthread_mutex_unlock(&jwks->lock);
    return answer;
}

/* No redirects: whoever can make the address redirect should not choose where keys come from. */
static bool prepare(CURL *easy, const struct hf_jwks *jwks, struct answer *answer)
{
    return curl_easy_setopt(easy, CURLOPT_URL, jwks->address) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)jwks->limits.timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer) == CURLE_OK &&
           curl_multi_add_handle(jwks->multi, easy) == CURLM_OK;
}

/* Runs the transfer to its end. NULL when it went well, else why not; "" when it was stopped. */
static const char *transfer(struct hf_jwks *jwks, const struct answer *answer)
{
    int running = 1;
    int left;
    CURLMsg *message;

    while (running > 0) {
        if (is_stopping(jwks)) {
            return "";
        }
        if (curl_multi_perform(jwks->multi, &running) != CURLM_OK ||
            (running > 0 && curl_multi_poll(jwks->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)) {
            return "libcurl failed";
        }
    }
    message = curl_multi_info_read(jwks->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE) {
        return "libcurl failed";
    }
    if (answer->is_too_long) {
        return "the answer is longer than holdfast.jwks_max_bytes";
    }
    return message->data.result == CURLE_OK ? NULL : curl_easy_strerror(message->data.result);
}

/* The keys, or NULL with *reason; "" when it was stopped. */
static struct hf_key_set *fetch(struct hf_jwks *jwks, const char **reason)
{
    struct answer answer = {.max = jwks->limits.bytes_max};
    struct hf_key_set *set = NULL;
    CURL *easy = curl_easy_init();

    *reason = "libcurl failed";
    if (easy != NULL && prepare(easy, jwks, &answer)) {
        *reason = transfer(jwks, &answer);
        if (*reason == NULL) {
            set = hf_key_set_read(hf_slice(answer.data, answer.len), jwks->limits.keys_max, reason);
        }
        (void)curl_multi_remove_handle(jwks->multi, easy);
    }
    curl_easy_cleanup(easy);
    free(answer.data);
    return set;
}

/* --- the thread ----------------------------------------------------------------------------- */

/* Puts the outcome where others see it. */
static void publish(struct hf_jwks *jwks, struct hf_key_set *set, int64_t began_ms)
{
    struct hf_key_set *former = NULL;

    (void)pthread_mutex_lock(&jwks->lock);
    if (set != NULL) {
        former = jwks->set;
        jwks->set = set;
        jwks->succeeded_ms = began_ms;
    }
    jwks->is_wanted = false;
    jwks->fetches++;
    (void)pthread_cond_broadcast(&jwks->changed);
    (void)pthread_mutex_unlock(&jwks->lock);
    hf_key_set_unref(former);
}

static struct timespec moment(int64_t at_ms)
{
    return (struct timespec){.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
}

/* Sleeps until the next fetch is due: `ttl` after a good one, `retry` after a bad one, and for who
 * wants it at once, but for `retry`. False: it is time to end. */
static bool wait_for_next(struct hf_jwks *jwks, int64_t began_ms, bool was_good)
{
    int64_t retry_at_ms = began_ms + jwks->limits.retry_ms;
    int64_t ttl_at_ms = began_ms + jwks->limits.ttl_ms;
    bool goes_on;

    (void)pthread_mutex_lock(&jwks->lock);
    while (!jwks->is_stopping) {
        int64_t due_ms = was_good && !jwks->is_wanted ? ttl_at_ms : retry_at_ms;
        struct timespec due = moment(due_ms);

        if (now_ms() >= due_ms) {
            break;
        }
        (void)pthread_cond_timedwait(&jwks->changed, &jwks->lock, &due);
    }
    goes_on = !jwks->is_stopping;
    (void)pthread_mutex_unlock(&jwks->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct hf_jwks *jwks = context;
    int64_t began_ms;
    bool was_good;

    do {
        const char *reason;
        struct hf_key_set *set;

        began_ms = now_ms();
        set = fetch(jwks, &reason);
        was_good = set != NULL;
        if (was_good) {
            hf_log(HF_LOG_DEBUG, "keys for tokens fetched", "keys=%zu", hf_key_set_count(set));
        } else if (reason[0] != '\0') {
            hf_log(HF_LOG_WARN, "keys for tokens could not be fetched", "reason=%s", reason);
        }
        publish(jwks, set, began_ms);
    } while (wait_for_next(jwks, began_ms, was_good));
    return NULL;
}

/* --- opening and closing -------------------------------------------------------------------- */

/* The condition waits by the monotonic clock. */
static bool init_locks(struct hf_jwks *jwks)
{
    pthread_condattr_t attributes;
    bool is_done = false;

    if (pthread_mutex_init(&jwks->lock, NULL) != 0) {
        return false;
    }
    if (pthread_condattr_init(&attributes) == 0) {
        is_done = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                  pthread_cond_init(&jwks->changed, &attributes) == 0;
        (void)pthread_condattr_destroy(&attributes);
    }
    if (!is_done) {
        (void)pthread_mutex_destroy(&jwks->lock);
    }
    return is_done;
}

/* Signals are for the main thread. */
static bool start_thread(struct hf_jwks *jwks)
{
    sigset_t all;
    sigset_t former;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &former);
    error = pthread_create(&jwks->thread, NULL, run, jwks);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    return error == 0;
}

static struct hf_jwks *jwks_new(const char *address, const struct hf_jwks_limits *limits)
{
    struct hf_jwks *jwks = calloc(1, sizeof(*jwks));

    if (jwks == NULL) {
        return NULL;
    }
    jwks->limits = *limits;
    jwks->users = 1;
    jwks->address = strdup(address);
    jwks->multi = curl_multi_init();
    if (jwks->address != NULL && jwks->multi != NULL && init_locks(jwks)) {
        if (start_thread(jwks)) {
            return jwks;
        }
        (void)pthread_cond_destroy(&jwks->changed);
        (void)pthread_mutex_destroy(&jwks->lock);
    }
    (void)curl_multi_cleanup(jwks->multi);
    free(jwks->address);
    free(jwks);
    return NULL;
}

struct hf_jwks *hf_jwks_open(const char *address, const struct hf_jwks_limits *limits)
{
    static bool is_curl_ready;
    struct hf_jwks *jwks;

    (void)pthread_mutex_lock(&list_lock);
    if (!is_curl_ready) {
        is_curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    }
    LIST_FOREACH (jwks, &list, in_list) {
        if (strcmp(jwks->address, address) == 0) {
            break;
        }
    }
    if (jwks != NULL) {
        jwks->users++;
    } else if (is_curl_ready && (jwks = jwks_new(address, limits)) != NULL) {
        LIST_INSERT_HEAD(&list, jwks, in_list);
    }
    (void)pthread_mutex_unlock(&list_lock);
    return jwks;
}

void hf_jwks_close(struct hf_jwks *jwks)
{
    bool is_last;

    if (jwks == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&list_lock);
    is_last = --jwks->users == 0;
    if (is_last) {
        LIST_REMOVE(jwks, in_list);
    }
    (void)pthread_mutex_unlock(&list_lock);
    if (!is_last) {
        return;
    }
    (void)pthread_mutex_lock(&jwks->lock);
    jwks->is_stopping = true;
    (void)pthread_cond_broadcast(&jwks->changed);
    (void)pthread_mutex_unlock(&jwks->lock);
    (void)curl_multi_wakeup(jwks->multi);
    (void)pthread_join(jwks->thread, NULL);
    (void)curl_multi_cleanup(jwks->multi);
    (void)pthread_cond_destroy(&jwks->changed);
    (void)pthread_mutex_destroy(&jwks->lock);
    hf_key_set_unref(jwks->set);
    free(jwks->address);
    free(jwks);
}

/* --- asking --------------------------------------------------------------------------------- */

enum hf_jwks_result hf_jwks_find(struct hf_jwks *jwks, struct hf_slice kid, struct hf_key_set **set,
                                 const struct hf_token_keys **keys)
{
    enum hf_jwks_result result = HF_JWKS_PENDING;

    (void)pthread_mutex_lock(&jwks->lock);
    *keys = jwks->set == NULL ? NULL : hf_key_set_find(jwks->set, kid);
    if (*keys != NULL) {
        *set = hf_key_set_ref(jwks->set);
        result = HF_JWKS_FOUND;
    } else if (jwks->set != NULL && now_ms() - jwks->succeeded_ms < jwks->limits.retry_ms) {
        result = HF_JWKS_UNKNOWN;
    } else if (!jwks->is_wanted) {
        jwks->is_wanted = true;
        (void)pthread_cond_broadcast(&jwks->changed);
    }
    (void)pthread_mutex_unlock(&jwks->lock);
    return result;
}

void hf_jwks_wait(struct hf_jwks *jwks)
{
    (void)pthread_mutex_lock(&jwks->lock);
    while (jwks->fetches == 0) {
        (void)pthread_cond_wait(&jwks->changed, &jwks->lock);
    }
    (void)pthread_mutex_unlock(&jwks->lock);
}
