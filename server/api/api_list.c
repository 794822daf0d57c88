#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "log.h"

/* Several calls in one request, in two forms:
 *
 *   batch    {"commands":[{"publish":{...}},{"info":{}}],"parallel":false}
 *            -> {"replies":[{"publish":{...}},{"error":{...}}]}
 *   the single route (older clients): objects {"id":1,"method":"publish","params":{...}}, one after
 *            the other -> {"id":1,"result":{...}} or {"id":1,"error":{...}}, one a line
 *
 * All are taken apart before the first is run, so that a malformed request does nothing. One after
 * the other unless parallel; the answers are kept and go out together, in the order of the calls.
 */

struct list;

struct item {
    struct hf_api_call call; /* first */
    struct list *list;
    const struct hf_api_method *method; /* NULL: answered with `code` */
    union hf_api_request request;
    uint32_t id; /* single route */
    int code;    /* 0, or an error */
    char *text;  /* owned; {"result":...} when code is 0 */
    size_t len;
};

struct list {
    struct hf_http_request *http;
    struct hf_arena arena; /* what the items' requests point to */
    struct item *items;    /* arena; they stay where they are once the first is run */
    size_t count;
    size_t capacity;
    size_t next; /* the first that was not started */
    size_t open; /* started and not answered */
    bool is_batch;
    bool is_parallel;
    bool is_running; /* inside of list_run */
};

/* --- answers -------------------------------------------------------------------------------- */

static void write_error(struct hf_buffer *body, int code)
{
    HF_BUFFER_APPEND_LITERAL(body, "\"error\":");
    hf_api_write_error(body, code);
}

/* {"publish":{...}} or {"error":{...}} */
static void write_batch_reply(struct hf_buffer *body, const struct item *item)
{
    const size_t head = sizeof("{\"result\":") - 1;

    hf_buffer_append_char(body, '{');
    if (item->code != 0) {
        write_error(body, item->code);
    } else {
        hf_json_append_string(body, hf_slice_of(item->method->name));
        hf_buffer_append_char(body, ':');
        hf_buffer_append(body, item->text + head, item->len - head - 1);
    }
    hf_buffer_append_char(body, '}');
}

/* {"id":1,"result":{...}}, without the id when it is 0 */
static void write_line(struct hf_buffer *body, const struct item *item)
{
    hf_buffer_append_char(body, '{');
    if (item->id != 0) {
        HF_BUFFER_APPEND_LITERAL(body, "\"id\":");
        hf_buffer_append_u64(body, item->id);
        hf_buffer_append_char(body, ',');
    }
    if (item->code != 0) {
        write_error(body, item->code);
        hf_buffer_append_char(body, '}');
    } else {
        hf_buffer_append(body, item->text + 1, item->len - 1);
    }
}

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].text);
    }
    hf_arena_fini(&list->arena);
    free(list);
}

/* All are answered. */
static void list_respond(struct list *list)
{
    struct hf_http_request *http = list->http;
    struct hf_buffer *body = &http->worker->encode;

    hf_buffer_reset(body);
    if (list->is_batch) {
        HF_BUFFER_APPEND_LITERAL(body, "{\"replies\":[");
    }
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            hf_buffer_append_char(body, list->is_batch ? ',' : '\n');
        }
        if (list->is_batch) {
            write_batch_reply(body, &list->items[i]);
        } else {
            write_line(body, &list->items[i]);
        }
    }
    if (list->is_batch) {
        HF_BUFFER_APPEND_LITERAL(body, "]}");
    }
    list_free(list);
    if (hf_buffer_failed(body)) {
        hf_api_respond_failure(http);
    } else {
        hf_api_respond_json(http, hf_buffer_slice(body));
    }
}

/* --- running -------------------------------------------------------------------------------- */

/* Starts what can be started, and answers when nothing is left. */
static void list_run(struct list *list)
{
    list->is_running = true;
    while (list->next < list->count && (list->is_parallel || list->open == 0)) {
        struct item *item = &list->items[list->next++];

        if (item->method != NULL) {
            list->open++;
            item->method->run(&item->call, &item->request);
        }
    }
    list->is_running = false;
    if (list->next == list->count && list->open == 0) {
        list_respond(list);
    }
}

static void on_answered(struct hf_api_call *call, int code, struct hf_slice text)
{
    struct item *item = (struct item *)call;
    struct list *list = item->list;

    item->code = code == HF_API_FAILED ? HF_ERROR_INTERNAL : code;
    if (code == 0) {
        item->text = malloc(text.len);
        if (item->text == NULL) {
            item->code = HF_ERROR_INTERNAL;
        } else {
            memcpy(item->text, text.data, text.len);
            item->len = text.len;
        }
    }
    list->open--;
    if (!list->is_running) {
        list_run(list);
    }
}

/* --- reading -------------------------------------------------------------------------------- */

static struct list *list_new(struct hf_http_request *http, bool is_batch)
{
    struct list *list = calloc(1, sizeof(*list));

    if (list != NULL) {
        list->http = http;
        list->is_batch = is_batch;
        hf_arena_init(&list->arena, 0);
    }
    return list;
}

/* One more, zeroed. Doubles in the arena, which is bounded by the number of commands. */
static enum hf_api_parse_result list_add(struct list *list, struct item **added)
{
    size_t most = list->http->worker->config->holdfast.batch_commands_max;
    struct item *item;

    if (list->count == most) {
        hf_log(HF_LOG_DEBUG, "more commands in a request than holdfast.batch_commands_max",
               "max=%zu", most);
        return HF_API_PARSE_TOO_MANY;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        struct item *grown = hf_arena_alloc(&list->arena, capacity * sizeof(*grown));

        if (grown == NULL) {
            return HF_API_PARSE_NO_MEMORY;
        }
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * sizeof(*grown));
        }
        list->items = grown;
        list->capacity = capacity;
    }
    item = &list->items[list->count++];
    memset(item, 0, sizeof(*item));
    item->call = (struct hf_api_call){.worker = list->http->worker, .answered = on_answered};
    item->list = list;
    *added = item;
    return HF_API_PARSED;
}

/* What a command of a batch asks for: the first of the methods, in the table's order, that it has.
 * NULL: none. */
static enum hf_json_status find_command(struct hf_slice text, const struct hf_api_method **method,
                                        struct hf_slice *params)
{
    struct hf_json json;
    struct hf_json_key key;

    *method = NULL;
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        const struct hf_api_method *found = key.has_escapes ? NULL : hf_api_find_method(key.raw);

        if (hf_json_take_null(&json)) {
            continue;
        }
        if (found != NULL && (*method == NULL || found <= *method)) {
            *method = found;
            (void)hf_json_raw(&json, params);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    return hf_json_end(&json);
}

static enum hf_api_parse_result add_batch_command(struct list *list, struct hf_slice text)
{
    struct hf_slice params = {0};
    struct item *item;
    enum hf_api_parse_result result = list_add(list, &item);

    if (result != HF_API_PARSED) {
        return result;
    }
    if (hf_slice_equal(text, HF_SLICE("null"))) {
        item->code = HF_ERROR_BAD_REQUEST;
        return HF_API_PARSED;
    }
    if (find_command(text, &item->method, &params) != HF_JSON_OK) {
        return HF_API_PARSE_MALFORMED;
    }
    if (item->method == NULL) {
        item->code = HF_ERROR_METHOD_NOT_FOUND;
        return HF_API_PARSED;
    }
    return item->method->parse(params, &list->arena, list->http->worker->config, &item->request);
}

static enum hf_api_parse_result parse_batch(struct list *list)
{
    enum hf_api_parse_result result = HF_API_PARSED;
    struct hf_json json;
    struct hf_json_key key;

    hf_json_init(&json, list->http->body, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (result == HF_API_PARSED && !hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("parallel"))) {
            if (!hf_json_take_null(&json)) {
                (void)hf_json_get_bool(&json, &list->is_parallel);
            }
        } else if (!hf_json_key_is(&key, HF_SLICE("commands"))) {
            (void)hf_json_skip(&json);
        } else if (!hf_json_take_null(&json)) {
            struct hf_slice text;

            (void)hf_json_array_begin(&json);
            while (result == HF_API_PARSED && !hf_json_failed(&json) && hf_json_array_next(&json) &&
                   hf_json_raw(&json, &text)) {
                result = add_batch_command(list, text);
            }
        }
    }
    if (result != HF_API_PARSED) {
        return result;
    }
    return hf_json_end(&json) == HF_JSON_OK ? HF_API_PARSED : HF_API_PARSE_MALFORMED;
}

/* A name or a number. False, with an error in `json`: a name that there is not. */
static bool take_method(struct hf_json *json, const struct hf_api_method **method)
{
    uint32_t number = 0;
    struct hf_slice raw;

    if (hf_json_take_null(json)) {
        return true;
    }
    if (hf_json_peek(json) == HF_JSON_STRING) {
        *method = hf_json_raw(json, &raw) ? hf_api_find_method(hf_slice(raw.data + 1, raw.len - 2))
                                          : NULL;
        if (*method == NULL) {
            hf_json_fail(json, "no such method");
        }
        return *method != NULL;
    }
    *method = NULL;
    (void)hf_json_get_u32(json, &number);
    for (size_t i = 0; i < hf_api_method_count; i++) {
        if (hf_api_methods[i].number == number) {
            *method = &hf_api_methods[i];
        }
    }
    return true;
}

static enum hf_api_parse_result add_line(struct list *list, struct hf_slice text)
{
    struct hf_slice params = {0};
    struct hf_json json;
    struct hf_json_key key;
    struct item *item;
    enum hf_api_parse_result result = list_add(list, &item);

    if (result != HF_API_PARSED) {
        return result;
    }
    item->method = hf_api_find_method(HF_SLICE("publish")); /* the number 0: when none is given */
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("id"))) {
            if (!hf_json_take_null(&json)) {
                (void)hf_json_get_u32(&json, &item->id);
            }
        } else if (hf_json_key_is(&key, HF_SLICE("method"))) {
            (void)take_method(&json, &item->method);
        } else if (hf_json_key_is(&key, HF_SLICE("params"))) {
            (void)hf_json_raw(&json, &params);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    if (hf_json_end(&json) != HF_JSON_OK) {
        return HF_API_PARSE_MALFORMED;
    }
    if (item->method == NULL) {
        item->code = HF_ERROR_METHOD_NOT_FOUND;
        return HF_API_PARSED;
    }
    result = item->method->parse(params, &list->arena, list->http->worker->config, &item->request);
    if (result == HF_API_PARSE_MALFORMED || result == HF_API_PARSE_TOO_MANY) {
        item->method = NULL;
        item->code = HF_ERROR_BAD_REQUEST;
        return HF_API_PARSED;
    }
    return result;
}

static bool is_blank(struct hf_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr(" \t\r\n", text.data[i], 4) == NULL) {
            return false;
        }
    }
    return true;
}

static enum hf_api_parse_result parse_lines(struct list *list)
{
    struct hf_slice rest = list->http->body;
    enum hf_api_parse_result result = HF_API_PARSED;

    while (result == HF_API_PARSED && !is_blank(rest)) {
        struct hf_slice text;
        struct hf_json json;

        hf_json_init(&json, rest, HF_JSON_MAX_DEPTH);
        if (!hf_json_raw(&json, &text)) {
            return HF_API_PARSE_MALFORMED;
        }
        rest = hf_slice(json.at, (size_t)(json.end - json.at));
        result = add_line(list, text);
    }
    return list->count == 0 && result == HF_API_PARSED ? HF_API_PARSE_MALFORMED : result;
}

/* --- handlers ------------------------------------------------------------------------------- */

static void handle(struct hf_http_request *http, bool is_batch)
{
    struct list *list = list_new(http, is_batch);
    enum hf_api_parse_result result = HF_API_PARSE_NO_MEMORY;

    if (list != NULL) {
        result = is_batch ? parse_batch(list) : parse_lines(list);
    }
    if (result == HF_API_PARSED) {
        list_run(list);
        return;
    }
    if (list != NULL) {
        list_free(list);
    }
    switch (result) {
    case HF_API_PARSED:
    case HF_API_PARSE_NO_MEMORY:
        hf_api_respond_failure(http);
        break;
    case HF_API_PARSE_MALFORMED:
        hf_api_respond_malformed(http);
        break;
    case HF_API_PARSE_TOO_MANY:
        hf_api_respond_error(http, HF_ERROR_BAD_REQUEST);
        break;
    }
}

void hf_api_batch(struct hf_http_request *http)
{
    if (hf_api_admit(http)) {
        handle(http, true);
    }
}

void hf_api_commands(struct hf_http_request *http)
{
    if (hf_api_admit(http)) {
        handle(http, false);
    }
}
