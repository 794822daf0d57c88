#include "core/witness.h"

#include <stdlib.h>
#include <string.h>

void hf__witnesses_init(struct hf_witnesses *witnesses, const struct hf_witness_limits *limits,
                        const struct hf_hash_key *hash_key)
{
    memset(witnesses, 0, sizeof *witnesses);
    hf_table_init(&witnesses->table, hash_key,
                  HF_TABLE_NAME_AT(struct hf_witness, in_table, channel));
    TAILQ_INIT(&witnesses->trusted);
    TAILQ_INIT(&witnesses->doubted);
    witnesses->limits = *limits;
}

static struct hf_witness_list *list_of(struct hf_witnesses *witnesses,
                                       const struct hf_witness *witness)
{
    return witness->is_doubted ? &witnesses->doubted : &witnesses->trusted;
}

static size_t size_of(size_t channel_len)
{
    return sizeof(struct hf_witness) + channel_len;
}

void hf__witness_remove(struct hf_witnesses *witnesses, struct hf_witness *witness)
{
    TAILQ_REMOVE(list_of(witnesses, witness), witness, in_list);
    hf_table_remove(&witnesses->table, &witness->in_table);
    witnesses->bytes -= size_of(witness->in_table.len);
    free(witness);
}

static void remove_all(struct hf_witnesses *witnesses, struct hf_witness_list *list)
{
    struct hf_witness *witness;
    while ((witness = TAILQ_FIRST(list)) != NULL) {
        hf__witness_remove(witnesses, witness);
    }
}

void hf__witnesses_fini(struct hf_witnesses *witnesses)
{
    remove_all(witnesses, &witnesses->trusted);
    remove_all(witnesses, &witnesses->doubted);
    hf_table_clear(&witnesses->table);
}

struct hf_witness *hf__witness_find(struct hf_witnesses *witnesses, struct hf_bytes channel)
{
    struct hf_table_node *node = hf_table_find(&witnesses->table, channel.data, channel.len);
    return node != NULL ? HF_TABLE_ITEM(node, struct hf_witness, in_table) : NULL;
}

struct hf_bytes hf__witness_channel(const struct hf_witness *witness)
{
    return (struct hf_bytes){witness->channel, witness->in_table.len};
}

/* W1; false: there is no room. */
static bool make_room(struct hf_witnesses *witnesses, size_t bytes)
{
    const struct hf_witness_limits *limits = &witnesses->limits;
    while (witnesses->table.count >= limits->max || witnesses->bytes + bytes > limits->bytes_max) {
        struct hf_witness *oldest = TAILQ_FIRST(&witnesses->trusted);
        if (oldest == NULL) {
            return false; /* there are none, or all are still to be heard */
        }
        hf__witness_remove(witnesses, oldest);
    }
    return true;
}

static struct hf_witness *add(struct hf_witnesses *witnesses, struct hf_bytes channel)
{
    size_t size = size_of(channel.len);
    if (!make_room(witnesses, size)) {
        return NULL;
    }
    struct hf_witness *witness = calloc(1, size);
    if (witness == NULL) {
        return NULL;
    }
    memcpy(witness->channel, channel.data, channel.len);
    if (!hf_table_add(&witnesses->table, &witness->in_table, channel.len)) {
        free(witness);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&witnesses->trusted, witness, in_list);
    witnesses->bytes += size;
    return witness;
}

static bool is_newer(struct hf_position a, struct hf_position b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.offset > b.offset;
}

void hf__witness_note(struct hf_witnesses *witnesses, struct hf_bytes channel,
                      const struct hf_stream_options *options, struct hf_position position,
                      uint64_t print, uint64_t seen_life)
{
    struct hf_witness *witness = hf__witness_find(witnesses, channel);
    if (witness == NULL) {
        witness = add(witnesses, channel);
        if (witness == NULL) {
            return;
        }
    } else if (!is_newer(position, witness->position)) {
        return;
    }
    witness->options = *options;
    witness->position = position;
    witness->print = print;
    witness->seen_life = seen_life;
    witness->noted_s = (uint32_t)(witnesses->clock_ms / 1000) & INT32_MAX;
    if (!witness->is_doubted) {
        TAILQ_REMOVE(&witnesses->trusted, witness, in_list);
        TAILQ_INSERT_TAIL(&witnesses->trusted, witness, in_list);
    }
}

void hf__witness_doubt(struct hf_witnesses *witnesses, struct hf_bytes channel)
{
    struct hf_witness *witness = hf__witness_find(witnesses, channel);
    if (witness != NULL && !witness->is_doubted) {
        TAILQ_REMOVE(&witnesses->trusted, witness, in_list);
        TAILQ_INSERT_TAIL(&witnesses->doubted, witness, in_list);
        witness->is_doubted = true;
    }
}

void hf__witnesses_doubt(struct hf_witnesses *witnesses)
{
    struct hf_witness *witness;
    TAILQ_FOREACH (witness, &witnesses->trusted, in_list) {
        witness->is_doubted = true;
    }
    TAILQ_CONCAT(&witnesses->doubted, &witnesses->trusted, in_list);
}

void hf__witnesses_tick(struct hf_witnesses *witnesses, bool is_connected, uint64_t now_ms)
{
    struct hf_witness *oldest;
    witnesses->clock_ms += witnesses->ticked_ms != 0 ? now_ms - witnesses->ticked_ms : 0;
    witnesses->ticked_ms = now_ms;
    while (is_connected && (oldest = TAILQ_FIRST(&witnesses->trusted)) != NULL &&
           oldest->noted_s * UINT64_C(1000) + witnesses->limits.ttl_ms <= witnesses->clock_ms) {
        hf__witness_remove(witnesses, oldest);
    }
    hf_table_shrink(&witnesses->table);
}
