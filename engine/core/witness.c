#include "core/witness.h"

#include <stdlib.h>
#include <string.h>

void hf__witnesses_init(struct hf_witnesses *witnesses, uint32_t max)
{
    memset(witnesses, 0, sizeof *witnesses);
    TAILQ_INIT(&witnesses->trusted);
    TAILQ_INIT(&witnesses->doubted);
    witnesses->max = max;
}

static struct hf_witness_list *list_of(struct hf_witnesses *witnesses,
                                       const struct hf_witness *witness)
{
    return witness->is_doubted ? &witnesses->doubted : &witnesses->trusted;
}

void hf__witness_remove(struct hf_witnesses *witnesses, struct hf_witness *witness)
{
    TAILQ_REMOVE(list_of(witnesses, witness), witness, in_list);
    HASH_DELETE(hh, witnesses->table, witness);
    witnesses->count--;
    free(witness);
}

void hf__witnesses_fini(struct hf_witnesses *witnesses)
{
    struct hf_witness *witness, *next;
    HASH_ITER (hh, witnesses->table, witness, next) {
        hf__witness_remove(witnesses, witness);
    }
}

struct hf_witness *hf__witness_find(struct hf_witnesses *witnesses, struct hf_bytes channel)
{
    struct hf_witness *witness;
    HASH_FIND(hh, witnesses->table, channel.data, channel.len, witness);
    return witness;
}

static struct hf_witness *add(struct hf_witnesses *witnesses, struct hf_bytes channel)
{
    struct hf_witness *witness = calloc(1, sizeof *witness + channel.len);
    if (witness == NULL) {
        return NULL;
    }
    witness->channel_len = channel.len;
    memcpy(witness->channel, channel.data, channel.len);
    HASH_ADD_KEYPTR(hh, witnesses->table, witness->channel, witness->channel_len, witness);
    if (witness->hh.tbl == NULL) {
        free(witness);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&witnesses->trusted, witness, in_list);
    witnesses->count++;
    return witness;
}

static bool is_newer(struct hf_position a, struct hf_position b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.offset > b.offset;
}

void hf__witness_note(struct hf_witnesses *witnesses, struct hf_bytes channel,
                      const struct hf_stream_options *options, struct hf_position position,
                      uint64_t print)
{
    struct hf_witness *witness = hf__witness_find(witnesses, channel);
    if (witness == NULL) {
        if (witnesses->count >= witnesses->max) {
            struct hf_witness *oldest = TAILQ_FIRST(&witnesses->trusted);
            if (oldest == NULL) {
                return; /* all are still to be heard */
            }
            hf__witness_remove(witnesses, oldest);
        }
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
