#include "api/survey.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/registry.h"
#include "client/hub.h"
#include "glob.h"
#include "json.h"
#include "log.h"
#include "node.h"
#include "table.h"
#include "worker.h"

#define PART_BYTES ((size_t)256 * 1024) /* of an answer, about */

static const char question_magic[] = "survey\n";
static const char answer_magic[] = "surveyed\n";

/* A node that has to answer. */
struct respondent {
    struct respondent *next;
    uint64_t workers;  /* of the node; 0: none has answered yet */
    uint64_t answered; /* workers that have said all */
    bool is_known;     /* the registry still has it */
    size_t len;
    char uid[]; /* len bytes */
};

struct found_channel {
    struct hf_table_node in_table;
    uint64_t clients;
    char name[];
};

struct hf_survey {
    LIST_ENTRY(hf_survey) in_open;
    struct hf_surveys *surveys;
    hf_survey_callback *callback;
    void *context;
    uint64_t id;
    uint64_t deadline_ms;
    struct respondent *respondents;
    struct hf_table channels; /* by name */
    bool is_incomplete;       /* a respondent could not be kept: no memory */
};

struct hf_surveys {
    struct hf_worker *worker;
    LIST_HEAD(, hf_survey) open;
    uint32_t open_count;
    uint64_t last_id;
};

/* --- the end of a survey -------------------------------------------------------------------- */

static void survey_end(struct hf_survey *survey, int result)
{
    struct hf_table_walk walk = {0};
    struct hf_table_node *node;

    LIST_REMOVE(survey, in_open);
    survey->surveys->open_count--;
    survey->callback(survey->context, result, result == HF_OK ? survey : NULL);
    while ((node = hf_table_next(&survey->channels, &walk)) != NULL) {
        hf_table_remove(&survey->channels, node);
        free(HF_TABLE_ITEM(node, struct found_channel, in_table));
    }
    hf_table_clear(&survey->channels);
    while (survey->respondents != NULL) {
        struct respondent *next = survey->respondents->next;

        free(survey->respondents);
        survey->respondents = next;
    }
    free(survey);
}

static struct hf_survey *find_survey(const struct hf_surveys *surveys, uint64_t id)
{
    struct hf_survey *survey;

    LIST_FOREACH (survey, &surveys->open, in_open) {
        if (survey->id == id) {
            break;
        }
    }
    return survey;
}

/* --- who answers ---------------------------------------------------------------------------- */

static struct respondent *find_respondent(const struct hf_survey *survey, struct hf_slice uid)
{
    struct respondent *respondent = survey->respondents;

    while (respondent != NULL && !hf_slice_equal(hf_slice(respondent->uid, respondent->len), uid)) {
        respondent = respondent->next;
    }
    return respondent;
}

static void add_respondent(void *context, const struct hf_node_info *info)
{
    struct hf_survey *survey = context;
    struct respondent *respondent = calloc(1, sizeof(*respondent) + info->uid.len);

    if (respondent == NULL) {
        survey->is_incomplete = true;
        return;
    }
    respondent->len = info->uid.len;
    memcpy(respondent->uid, info->uid.data, info->uid.len);
    respondent->next = survey->respondents;
    survey->respondents = respondent;
}

static void mark_known(void *context, const struct hf_node_info *info)
{
    struct respondent *respondent = find_respondent(context, info->uid);

    if (respondent != NULL) {
        respondent->is_known = true;
    }
}

/* The first that is missed, or NULL: the survey is complete. */
static const struct respondent *missing(struct hf_survey *survey)
{
    struct respondent *respondent;

    for (respondent = survey->respondents; respondent != NULL; respondent = respondent->next) {
        respondent->is_known = false;
    }
    hf_registry_each(survey->surveys->worker->registry, mark_known, survey);
    for (respondent = survey->respondents; respondent != NULL; respondent = respondent->next) {
        bool is_done = respondent->workers > 0 && respondent->answered >= respondent->workers;

        if (respondent->is_known && !is_done) {
            break;
        }
    }
    return respondent;
}

/* --- asking --------------------------------------------------------------------------------- */

/* The survey may have ended meanwhile, so it is looked for by its number. */
struct question {
    struct hf_surveys *surveys;
    uint64_t id;
};

static void on_asked(void *context, int rc)
{
    struct question *question = context;
    struct hf_survey *survey = NULL;

    if (rc != HF_ECLOSED) { /* then surveys_close ends it */
        survey = find_survey(question->surveys, question->id);
    }
    free(question);
    if (survey != NULL && rc != HF_OK) {
        survey_end(survey, rc);
    }
}

static int ask(struct hf_survey *survey, const char *pattern)
{
    struct hf_worker *worker = survey->surveys->worker;
    struct hf_buffer *message = &worker->encode;
    struct question *question = malloc(sizeof(*question));
    int rc = HF_ENOMEM;

    if (question == NULL) {
        return HF_ENOMEM;
    }
    *question = (struct question){survey->surveys, survey->id};
    hf_buffer_reset(message);
    hf_buffer_append(message, question_magic, sizeof(question_magic) - 1);
    HF_BUFFER_APPEND_LITERAL(message, "{\"id\":");
    hf_buffer_append_u64(message, survey->id);
    HF_BUFFER_APPEND_LITERAL(message, ",\"uid\":");
    hf_json_append_string(message, hf_slice_of(hf_node_uid(worker->node)));
    HF_BUFFER_APPEND_LITERAL(message, ",\"worker\":");
    hf_buffer_append_u64(message, worker->index);
    HF_BUFFER_APPEND_LITERAL(message, ",\"pattern\":");
    hf_json_append_string(message, hf_slice_of(pattern));
    hf_buffer_append_char(message, '}');
    if (!hf_buffer_failed(message)) {
        rc = hf_bus_send(worker->port, (struct hf_bytes){message->data, message->len}, on_asked,
                         question);
    }
    if (rc != HF_OK) {
        free(question);
    }
    return rc;
}

static void nobody_hears(void *context, int result, const struct hf_survey *survey)
{
    (void)context;
    (void)result;
    (void)survey;
}

int hf_survey_start(struct hf_surveys *surveys, const char *pattern, hf_survey_callback *callback,
                    void *context)
{
    const struct hf_worker *worker = surveys->worker;
    struct hf_survey *survey;
    int rc;

    if (surveys->open_count >= worker->config->holdfast.surveys_max) {
        return HF_ELIMIT;
    }
    survey = calloc(1, sizeof(*survey));
    if (survey == NULL) {
        return HF_ENOMEM;
    }
    hf_table_init(&survey->channels, hf_hub_hash_key(worker->hub),
                  HF_TABLE_NAME_AT(struct found_channel, in_table, name));
    survey->surveys = surveys;
    survey->callback = callback;
    survey->context = context;
    survey->id = ++surveys->last_id;
    survey->deadline_ms = worker->now_ms + (uint64_t)worker->config->holdfast.survey_timeout_ms;
    LIST_INSERT_HEAD(&surveys->open, survey, in_open);
    surveys->open_count++;
    hf_registry_each(worker->registry, add_respondent, survey);
    rc = survey->is_incomplete ? HF_ENOMEM : ask(survey, pattern);
    if (rc != HF_OK) {
        survey->callback = nobody_hears;
        survey_end(survey, rc);
    }
    return rc;
}

/* --- answering ------------------------------------------------------------------------------ */

/* Who asks, and for what. */
struct asked {
    uint64_t id;
    uint64_t worker;
    struct hf_slice uid;
    char pattern[HF_GLOB_MAX];
};

struct answering {
    struct hf_worker *worker;
    const struct asked *asked;
    struct hf_buffer part;
    uint64_t channels; /* so far, in all parts */
    bool has_channel;  /* in this part */
    bool is_too_many;
};

static void on_answered(void *context, int rc)
{
    static struct hf_log_limit limit;

    (void)context;
    if (rc != HF_OK && rc != HF_ECLOSED && rc != HF_ENONODE &&
        hf_log_limit_pass(&limit, 1000, NULL)) {
        hf_log(HF_LOG_WARN, "another node's question about channels could not be answered",
               "reason=%s", hf_error_text(rc));
    }
}

static void part_begin(struct answering *answering)
{
    struct hf_buffer *part = &answering->part;
    const struct hf_worker *worker = answering->worker;

    hf_buffer_reset(part);
    hf_buffer_append(part, answer_magic, sizeof(answer_magic) - 1);
    HF_BUFFER_APPEND_LITERAL(part, "{\"id\":");
    hf_buffer_append_u64(part, answering->asked->id);
    HF_BUFFER_APPEND_LITERAL(part, ",\"worker\":");
    hf_buffer_append_u64(part, answering->asked->worker);
    HF_BUFFER_APPEND_LITERAL(part, ",\"uid\":");
    hf_json_append_string(part, hf_slice_of(hf_node_uid(worker->node)));
    HF_BUFFER_APPEND_LITERAL(part, ",\"index\":");
    hf_buffer_append_u64(part, worker->index);
    HF_BUFFER_APPEND_LITERAL(part, ",\"of\":");
    hf_buffer_append_u64(part, hf_node_worker_count(worker->node));
    HF_BUFFER_APPEND_LITERAL(part, ",\"channels\":{");
    answering->has_channel = false;
}

static void part_send(struct answering *answering, bool is_last)
{
    struct hf_buffer *part = &answering->part;
    int rc = HF_ENOMEM;

    hf_buffer_append_char(part, '}');
    if (answering->is_too_many) {
        HF_BUFFER_APPEND_LITERAL(part, ",\"too_many\":true");
    }
    if (is_last) {
        HF_BUFFER_APPEND_LITERAL(part, ",\"last\":true");
    }
    hf_buffer_append_char(part, '}');
    if (!hf_buffer_failed(part)) {
        rc =
            hf_bus_send_to(answering->worker->port,
                           (struct hf_bytes){answering->asked->uid.data, answering->asked->uid.len},
                           (struct hf_bytes){part->data, part->len}, on_answered, NULL);
    }
    if (rc != HF_OK) {
        on_answered(NULL, rc);
    }
}

static void answer_channel(void *context, const struct hf_hub_entry *entry)
{
    struct answering *answering = context;
    struct hf_slice channel = hf_hub_entry_channel(entry);
    const char *pattern = answering->asked->pattern;

    if (answering->is_too_many || (pattern[0] != '\0' && !hf_glob_matches(pattern, channel))) {
        return;
    }
    if (++answering->channels > answering->worker->config->holdfast.survey_channels_max) {
        answering->is_too_many = true;
        return;
    }
    if (answering->part.len > PART_BYTES) {
        part_send(answering, false);
        part_begin(answering);
    }
    if (answering->has_channel) {
        hf_buffer_append_char(&answering->part, ',');
    }
    answering->has_channel = true;
    hf_json_append_string(&answering->part, channel);
    hf_buffer_append_char(&answering->part, ':');
    hf_buffer_append_u64(&answering->part, entry->count);
}

static void take_question(struct hf_worker *worker, struct hf_slice text)
{
    struct asked asked = {0};
    struct answering answering = {.worker = worker, .asked = &asked};
    struct hf_slice pattern = {0};
    struct hf_arena arena;
    struct hf_json json;
    struct hf_json_key key;

    hf_arena_init(&arena, 0);
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("id"))) {
            (void)hf_json_get_u64(&json, &asked.id);
        } else if (hf_json_key_is(&key, HF_SLICE("uid"))) {
            (void)hf_json_get_string(&json, &arena, &asked.uid);
        } else if (hf_json_key_is(&key, HF_SLICE("worker"))) {
            (void)hf_json_get_u64(&json, &asked.worker);
        } else if (hf_json_key_is(&key, HF_SLICE("pattern"))) {
            (void)hf_json_get_string(&json, &arena, &pattern);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    if (hf_json_end(&json) == HF_JSON_OK && pattern.len < sizeof(asked.pattern)) {
        if (pattern.len > 0) {
            memcpy(asked.pattern, pattern.data, pattern.len);
        }
        if (hf_glob_error(asked.pattern) == NULL) {
            hf_buffer_init(&answering.part, 0);
            part_begin(&answering);
            hf_hub_each(worker->hub, answer_channel, &answering);
            part_send(&answering, true);
            hf_buffer_fini(&answering.part);
        }
    }
    hf_arena_fini(&arena);
}

/* --- hearing answers ------------------------------------------------------------------------ */

static struct found_channel *insert_channel(struct hf_survey *survey, struct hf_slice name)
{
    struct found_channel *channel = calloc(1, sizeof(*channel) + name.len);

    if (channel == NULL) {
        return NULL;
    }
    if (name.len > 0) {
        memcpy(channel->name, name.data, name.len);
    }
    if (!hf_table_add(&survey->channels, &channel->in_table, name.len)) {
        free(channel);
        return NULL;
    }
    return channel;
}

/* Adds to a channel's clients. HF_OK, HF_ENOMEM or HF_ELIMIT. */
static int add_channel(struct hf_survey *survey, struct hf_slice name, uint64_t clients)
{
    const struct hf_worker *worker = survey->surveys->worker;
    struct hf_table_node *node = hf_table_find(&survey->channels, name.data, name.len);
    struct found_channel *channel;

    if (node != NULL) {
        channel = HF_TABLE_ITEM(node, struct found_channel, in_table);
    } else if (survey->channels.count >= worker->config->holdfast.survey_channels_max) {
        return HF_ELIMIT;
    } else {
        channel = insert_channel(survey, name);
    }
    if (channel == NULL) {
        return HF_ENOMEM;
    }
    channel->clients += clients;
    return HF_OK;
}

static int add_channels(struct hf_survey *survey, struct hf_slice channels, struct hf_arena *arena)
{
    struct hf_json json;
    struct hf_json_key key;
    struct hf_slice name;
    uint64_t clients = 0;
    int rc = HF_OK;

    hf_json_init(&json, channels, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (rc == HF_OK && !hf_json_failed(&json) && hf_json_object_next(&json, &key) &&
           hf_json_key_text(&json, &key, arena, &name) && hf_json_get_u64(&json, &clients)) {
        rc = add_channel(survey, name, clients);
    }
    if (rc != HF_OK) {
        return rc;
    }
    return hf_json_end(&json) == HF_JSON_OK ? HF_OK : HF_ESTORE;
}

/* One part. */
struct answer {
    uint64_t id, worker, of;
    struct hf_slice uid;
    struct hf_slice channels; /* raw */
    bool is_last;
    bool is_too_many;
};

static enum hf_json_status parse_answer(struct hf_slice text, struct hf_arena *arena,
                                        struct answer *answer)
{
    struct hf_json json;
    struct hf_json_key key;

    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("id"))) {
            (void)hf_json_get_u64(&json, &answer->id);
        } else if (hf_json_key_is(&key, HF_SLICE("worker"))) {
            (void)hf_json_get_u64(&json, &answer->worker);
        } else if (hf_json_key_is(&key, HF_SLICE("uid"))) {
            (void)hf_json_get_string(&json, arena, &answer->uid);
        } else if (hf_json_key_is(&key, HF_SLICE("of"))) {
            (void)hf_json_get_u64(&json, &answer->of);
        } else if (hf_json_key_is(&key, HF_SLICE("channels"))) {
            (void)hf_json_raw(&json, &answer->channels);
        } else if (hf_json_key_is(&key, HF_SLICE("last"))) {
            (void)hf_json_get_bool(&json, &answer->is_last);
        } else if (hf_json_key_is(&key, HF_SLICE("too_many"))) {
            (void)hf_json_get_bool(&json, &answer->is_too_many);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    return hf_json_end(&json);
}

static void hear(struct hf_survey *survey, const struct answer *answer, struct hf_arena *arena)
{
    struct respondent *respondent = find_respondent(survey, answer->uid);
    int rc = answer->is_too_many ? HF_ELIMIT : add_channels(survey, answer->channels, arena);

    if (rc != HF_OK) {
        survey_end(survey, rc);
        return;
    }
    if (respondent != NULL && answer->is_last) {
        respondent->workers = answer->of;
        respondent->answered++;
    }
    if (missing(survey) == NULL) {
        survey_end(survey, HF_OK);
    }
}

static void take_answer(struct hf_worker *worker, struct hf_slice text)
{
    struct answer answer = {0};
    struct hf_arena arena;

    hf_arena_init(&arena, 0);
    if (parse_answer(text, &arena, &answer) != HF_JSON_OK) {
        hf_log(HF_LOG_ERROR, "an answer about channels was not understood", "bytes=%zu", text.len);
    } else if (answer.worker == worker->index) {
        struct hf_survey *survey = find_survey(worker->surveys, answer.id);

        if (survey != NULL) {
            hear(survey, &answer, &arena);
        }
    }
    hf_arena_fini(&arena);
}

bool hf_survey_take(struct hf_worker *worker, struct hf_bytes message)
{
    const size_t question_len = sizeof(question_magic) - 1;
    const size_t answer_len = sizeof(answer_magic) - 1;

    if (message.len >= question_len && memcmp(message.data, question_magic, question_len) == 0) {
        take_question(worker, hf_slice(message.data + question_len, message.len - question_len));
        return true;
    }
    if (message.len >= answer_len && memcmp(message.data, answer_magic, answer_len) == 0) {
        take_answer(worker, hf_slice(message.data + answer_len, message.len - answer_len));
        return true;
    }
    return false;
}

/* --- all of them ---------------------------------------------------------------------------- */

struct hf_surveys *hf_surveys_open(struct hf_worker *worker)
{
    struct hf_surveys *surveys = calloc(1, sizeof(*surveys));

    if (surveys != NULL) {
        surveys->worker = worker;
        LIST_INIT(&surveys->open);
    }
    return surveys;
}

void hf_surveys_close(struct hf_surveys *surveys)
{
    if (surveys == NULL) {
        return;
    }
    while (!LIST_EMPTY(&surveys->open)) {
        survey_end(LIST_FIRST(&surveys->open), HF_ECLOSED);
    }
    free(surveys);
}

void hf_surveys_tick(struct hf_surveys *surveys, uint64_t now_ms)
{
    struct hf_survey *next;

    for (struct hf_survey *survey = LIST_FIRST(&surveys->open); survey != NULL; survey = next) {
        const struct respondent *respondent = missing(survey);

        next = LIST_NEXT(survey, in_open);
        if (respondent == NULL) {
            survey_end(survey, HF_OK); /* whoever was missed has left */
        } else if (now_ms >= survey->deadline_ms) {
            hf_log(HF_LOG_WARN, "a node did not say which channels it has", "uid=%.*s",
                   (int)respondent->len, respondent->uid);
            survey_end(survey, HF_EUNAVAILABLE);
        }
    }
}

void hf_survey_each(const struct hf_survey *survey,
                    void (*visit)(void *context, struct hf_slice channel, uint64_t clients),
                    void *context)
{
    struct hf_table_walk walk = {0};
    const struct hf_table_node *node;

    while ((node = hf_table_next(&survey->channels, &walk)) != NULL) {
        const struct found_channel *channel =
            HF_TABLE_ITEM(node, const struct found_channel, in_table);

        visit(context, hf_slice(channel->name, node->len), channel->clients);
    }
}
