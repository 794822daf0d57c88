#include "redis/reply.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <holdfast/error.h>

#include "redis/frame.h"

#define BLOCK_SIZE ((size_t)16 * 1024)

struct block {
    struct block *next;
    size_t size; /* of `bytes` */
    size_t used;
    alignas(max_align_t) char bytes[];
};

struct hf_reply_reader {
    redisReader *reader;
    struct block *blocks; /* the newest first; the oldest is kept for good */
    bool is_done;         /* the reply given last may be forgotten */
};

static void *arena_alloc(struct hf_reply_reader *reader, size_t size)
{
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct block *block = reader->blocks;
    if (block == NULL || block->size - block->used < size) {
        size_t block_size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = malloc(sizeof *block + block_size);
        if (block == NULL)
            return NULL;
        *block = (struct block){.next = reader->blocks, .size = block_size};
        reader->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

/* Keeps one block of the usual size, so that a large reply does not stay in memory. */
static void arena_reset(struct hf_reply_reader *reader)
{
    while (reader->blocks != NULL &&
           (reader->blocks->next != NULL || reader->blocks->size > BLOCK_SIZE)) {
        struct block *block = reader->blocks;
        reader->blocks = block->next;
        free(block);
    }
    if (reader->blocks != NULL)
        reader->blocks->used = 0;
}

/* A new reply, put into the array that is being read. */
static struct hf_reply *create(const redisReadTask *task, enum hf_reply_type type)
{
    struct hf_reply *reply = arena_alloc(task->privdata, sizeof *reply);
    if (reply == NULL)
        return NULL;
    *reply = (struct hf_reply){.type = type};
    if (task->parent != NULL) {
        struct hf_reply *array = task->parent->obj;
        array->items[task->idx] = reply;
    }
    return reply;
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    struct hf_reply *reply =
        create(task, task->type == REDIS_REPLY_ERROR ? HF_REPLY_ERROR : HF_REPLY_TEXT);
    char *copy = arena_alloc(task->privdata, len + 1);
    if (reply == NULL || copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    reply->text = copy;
    reply->len = len;
    return reply;
}

/* Room for the items is taken before they come, so a length that was garbled on the way must not
 * take all memory: more than these (128 MiB of pointers) counts as out of memory. */
#define ITEMS_MAX (1 << 24)

static void *create_array(const redisReadTask *task, int elements)
{
    struct hf_reply *reply = create(task, HF_REPLY_ARRAY);
    if (reply == NULL || elements < 0 || elements > ITEMS_MAX)
        return NULL;
    reply->len = (size_t)elements;
    if (elements > 0) {
        reply->items = arena_alloc(task->privdata, (size_t)elements * sizeof reply->items[0]);
        if (reply->items == NULL)
            return NULL;
    }
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    struct hf_reply *reply = create(task, HF_REPLY_NUMBER);
    if (reply != NULL)
        reply->number = value;
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    return create(task, HF_REPLY_NIL);
}

static void free_object(void *object)
{
    (void)object; /* the arena's */
}

static redisReplyObjectFunctions functions = {create_string, create_array, create_integer,
                                              create_nil, free_object};

struct hf_reply_reader *hf_reply_reader_new(void)
{
    struct hf_reply_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->reader = redisReaderCreateWithFunctions(&functions);
    if (reader->reader == NULL) {
        free(reader);
        return NULL;
    }
    reader->reader->privdata = reader;
    return reader;
}

void hf_reply_reader_free(struct hf_reply_reader *reader)
{
    if (reader == NULL)
        return;
    redisReaderFree(reader->reader);
    while (reader->blocks != NULL) {
        struct block *block = reader->blocks;
        reader->blocks = block->next;
        free(block);
    }
    free(reader);
}

bool hf_reply_reader_feed(struct hf_reply_reader *reader, const char *data, size_t len)
{
    return redisReaderFeed(reader->reader, data, len) == REDIS_OK;
}

const struct hf_reply *hf_reply_reader_next(struct hf_reply_reader *reader, const char **error)
{
    void *reply = NULL;
    *error = NULL;
    if (reader->is_done) {
        arena_reset(reader);
        reader->is_done = false;
    }
    if (redisReaderGetReply(reader->reader, &reply) != REDIS_OK) {
        *error = redisReaderGetError(reader->reader);
        return NULL;
    }
    reader->is_done = reply != NULL;
    return reply;
}

size_t hf_reply_reader_arena_size(const struct hf_reply_reader *reader)
{
    size_t size = 0;
    for (const struct block *block = reader->blocks; block != NULL; block = block->next)
        size += block->size;
    return size;
}

bool hf_reply_is_text(const struct hf_reply *reply, const char *text)
{
    return reply->type == HF_REPLY_TEXT && reply->len == strlen(text) &&
           memcmp(reply->text, text, reply->len) == 0;
}

static bool has_word(const struct hf_reply *error, const char *code)
{
    size_t len = strlen(code);
    return error->len >= len && memcmp(error->text, code, len) == 0 &&
           (error->len == len || error->text[len] == ' ');
}

bool hf_reply_is_error(const struct hf_reply *reply, const char *code)
{
    return reply->type == HF_REPLY_ERROR && has_word(reply, code);
}

bool hf_reply_position(const struct hf_reply *reply, struct hf_position *position)
{
    return reply->type == HF_REPLY_TEXT &&
           hf_position_parse(reply->text, reply->len, position) == HF_OK && position->epoch > 0;
}

/* Refused before anything was done, for the server's state or our rights. */
static const struct refusal {
    const char *word;
    int code;
} refusals[] = {
    {"LOADING", HF_EUNAVAILABLE},
    {"READONLY", HF_EUNAVAILABLE},
    {"MASTERDOWN", HF_EUNAVAILABLE},
    {"BUSY", HF_EUNAVAILABLE},
    {"TRYAGAIN", HF_EUNAVAILABLE},
    {"NOREPLICAS", HF_EUNAVAILABLE},
    {"CLUSTERDOWN", HF_EUNAVAILABLE},
    {"OOM", HF_ESTORE},
    {"MISCONF", HF_ESTORE},
    {"NOPERM", HF_ESTORE},
    {"NOAUTH", HF_ESTORE},
};

/* What a script meets that calls what its user may not. */
static const char not_permitted[] = "ERR The user executing the script can't";

static const struct refusal *find_refusal(const struct hf_reply *error)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (has_word(error, refusals[i].word))
            return &refusals[i];
    }
    return NULL;
}

bool hf_reply_is_refusal(const struct hf_reply *reply)
{
    return reply->type == HF_REPLY_ERROR &&
           (find_refusal(reply) != NULL ||
            strncmp(reply->text, not_permitted, strlen(not_permitted)) == 0);
}

int hf_reply_error_code(const struct hf_reply *error)
{
    const struct refusal *refusal = find_refusal(error);
    if (refusal != NULL)
        return refusal->code;
    /* A script that failed in its course has perhaps written before. */
    if (has_word(error, "HFMIDWAY") || strncmp(error->text, "ERR user_script", 15) == 0 ||
        strncmp(error->text, "ERR Error running script", 24) == 0)
        return HF_EUNKNOWN;
    return HF_ESTORE;
}

void hf_reply_error_text(const struct hf_reply *error, char *text, size_t size)
{
    const char *arguments = strstr(error->text, ", with args beginning with");
    size_t len = arguments != NULL ? (size_t)(arguments - error->text) : error->len;
    snprintf(text, size, "%.*s", (int)(len < size ? len : size), error->text);
    for (char *at = text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
}
