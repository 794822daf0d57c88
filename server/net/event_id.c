#include "net/event_id.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

enum { NAME_SIZE = 6, NUMBER_SIZE = 7, ITEM_SIZE = NAME_SIZE + 2 * NUMBER_SIZE };

#define OFFSET_MAX ((UINT64_C(1) << 56) - 1)

struct item {
    unsigned char name[NAME_SIZE];
    struct hf_position position;
};

struct hf_event_ids {
    struct item items[HF_EVENT_ID_CHANNELS_MAX];
    unsigned count;
    bool is_overfull;
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct hf_event_ids *hf_event_ids_new(void)
{
    return calloc(1, sizeof(struct hf_event_ids));
}

void hf_event_ids_free(struct hf_event_ids *ids)
{
    free(ids);
}

void hf_event_ids_clear(struct hf_event_ids *ids)
{
    ids->count = 0;
    ids->is_overfull = false;
}

/* --- base64url (RFC 4648, 5), without padding ---------------------------------------------- */

static size_t encode(const unsigned char *bytes, size_t len, char *out)
{
    size_t at = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 6; count -= 6) {
            out[at++] = alphabet[bits >> (count - 6) & 63];
        }
    }
    if (count > 0) {
        out[at++] = alphabet[bits << (6 - count) & 63];
    }
    return at;
}

/* Returns the bytes, or SIZE_MAX when it is no such text; `out` has room for len * 3 / 4. */
static size_t decode(struct hf_slice text, unsigned char *out)
{
    size_t at = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.data[i] != '\0' ? strchr(alphabet, text.data[i]) : NULL;
        if (found == NULL) {
            return SIZE_MAX;
        }
        bits = bits << 6 | (uint32_t)(found - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[at++] = (unsigned char)(bits >> count);
        }
    }
    return at;
}

/* --- items -------------------------------------------------------------------------------------
 */

static void name_of(struct hf_slice channel, unsigned char name[NAME_SIZE])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)channel.data, channel.len, digest);
    memcpy(name, digest, NAME_SIZE);
}

static void put_number(unsigned char *out, uint64_t value)
{
    for (unsigned i = NUMBER_SIZE; i-- > 0; value >>= 8) {
        out[i] = (unsigned char)value;
    }
}

static uint64_t get_number(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < NUMBER_SIZE; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static struct item *find(const struct hf_event_ids *ids, const unsigned char *name)
{
    for (unsigned i = 0; i < ids->count; i++) {
        if (memcmp(ids->items[i].name, name, NAME_SIZE) == 0) {
            return (struct item *)(uintptr_t)&ids->items[i];
        }
    }
    return NULL;
}

void hf_event_ids_set(struct hf_event_ids *ids, struct hf_slice channel,
                      struct hf_position position)
{
    unsigned char name[NAME_SIZE];
    name_of(channel, name);
    struct item *item = find(ids, name);
    if (position.epoch > HF_EPOCH_MAX || position.offset > OFFSET_MAX ||
        (item == NULL && ids->count == HF_EVENT_ID_CHANNELS_MAX)) {
        ids->is_overfull = true;
        return;
    }
    if (item == NULL) {
        item = &ids->items[ids->count++];
        memcpy(item->name, name, NAME_SIZE);
    }
    item->position = position;
}

bool hf_event_ids_find(const struct hf_event_ids *ids, struct hf_slice channel,
                       struct hf_position *position)
{
    unsigned char name[NAME_SIZE];
    name_of(channel, name);
    const struct item *item = find(ids, name);
    if (item != NULL) {
        *position = item->position;
    }
    return item != NULL;
}

size_t hf_event_ids_format(const struct hf_event_ids *ids, char text[HF_EVENT_ID_TEXT_SIZE])
{
    unsigned char bytes[HF_EVENT_ID_CHANNELS_MAX * ITEM_SIZE];
    text[0] = '\0';
    if (ids->count == 0 || ids->is_overfull) {
        return 0;
    }
    for (unsigned i = 0; i < ids->count; i++) {
        unsigned char *at = bytes + (size_t)i * ITEM_SIZE;
        memcpy(at, ids->items[i].name, NAME_SIZE);
        put_number(at + NAME_SIZE, ids->items[i].position.epoch);
        put_number(at + NAME_SIZE + NUMBER_SIZE, ids->items[i].position.offset);
    }
    text[0] = 'a';
    size_t len = 1 + encode(bytes, (size_t)ids->count * ITEM_SIZE, text + 1);
    text[len] = '\0';
    return len;
}

bool hf_event_ids_parse(struct hf_event_ids *ids, struct hf_slice text)
{
    unsigned char bytes[HF_EVENT_ID_TEXT_SIZE];
    hf_event_ids_clear(ids);
    if (text.len < 2 || text.len >= HF_EVENT_ID_TEXT_SIZE || text.data[0] != 'a') {
        return false;
    }
    size_t len = decode(hf_slice(text.data + 1, text.len - 1), bytes);
    if (len == SIZE_MAX || len % ITEM_SIZE != 0 || len / ITEM_SIZE > HF_EVENT_ID_CHANNELS_MAX) {
        return false;
    }
    for (; ids->count < len / ITEM_SIZE; ids->count++) {
        const unsigned char *at = bytes + (size_t)ids->count * ITEM_SIZE;
        struct item *item = &ids->items[ids->count];
        memcpy(item->name, at, NAME_SIZE);
        item->position.epoch = get_number(at + NAME_SIZE);
        item->position.offset = get_number(at + NAME_SIZE + NUMBER_SIZE);
    }
    return true;
}
