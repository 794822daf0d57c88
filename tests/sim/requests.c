#include "story.h"

#include <inttypes.h>
#include <stdlib.h>

/* A read or a mend that a core has open. */
struct open_read {
    struct sim *sim;
    struct node *node;
    struct hf_stream *stream;
    bool is_mend;
    bool was_sent;     /* of a mend: the store may have got it */
    bool is_done;      /* the store has carried it out; the reply is on its way */
    bool is_cancelled; /* its node is gone */
    unsigned channel;
    struct hf_core_read read;
    struct hf_core_mend mend;
    struct hf_core_read_result result;
    int mend_result;
    uint64_t commands; /* node->commands when it was sent */
    struct open_read *next;
};

/* A publish on its way to the store, then its acknowledgement on the way back. */
struct open_publish {
    struct node *node;
    unsigned channel;
    uint64_t commands;
    struct hf_publication *publication; /* NULL: the store has not got it yet */
};

static void forget(struct open_read *read)
{
    struct open_read **link = &read->node->open;
    while (*link != read) {
        link = &(*link)->next;
    }
    *link = read->next;
}

/* Hands the result to the core. The read itself is freed by the act_read that is planned for it, or
 * that runs. */
static void finish(struct open_read *read)
{
    struct node *node = read->node;
    uint64_t now_ms = node->sim->world.now_ms;
    forget(read);
    for (uint32_t i = 0; read->result.page != NULL && i < read->result.page->count; i++) {
        node_sees(node, read->result.page->items[i]);
    }
    node_keep_time(node);
    if (read->is_mend) {
        hf_core_mend_done(node->core, read->stream, read->mend_result, now_ms);
    } else {
        hf_core_read_done(node->core, read->stream, &read->result, now_ms);
    }
}

static void free_read(struct open_read *read)
{
    hf_page_unref(read->result.page);
    hf_page_unref(read->mend.page);
    free(read);
}

/* --- at the store ------------------------------------------------------------------------------
 */

static void carry_out_mend(struct open_read *read)
{
    struct sim *sim = read->sim;
    const struct hf_core_mend *mend = &read->mend;
    bool had_lost = sim->store.streams[read->channel].has_lost;
    bool is_of_our_life = mend->life == 0 || mend->life == sim->store_life; /* store.h */
    read->mend_result =
        is_of_our_life ? model_mend(&sim->store, read->channel, mend) : HF_EUNRECOVERABLE;
    tell(sim, "node %u mends channel %u at %" PRIu64 "-%" PRIu64 "%s: %s", read->node->index,
         read->channel, mend->expected.epoch, mend->expected.offset,
         mend->page != NULL ? " by writing back" : " by a new epoch",
         hf_error_text(read->mend_result));
    if (read->mend_result != HF_OK) {
        return;
    }
    uint64_t ghost_ms = read->node->ghost_ms;
    bool was_ghost = ghost_ms != 0 && sim->world.now_ms < ghost_ms + GHOST_MS;
    if (!had_lost && !was_ghost) {
        violate(sim, "V8", "node %u mends channel %u, which has lost nothing", read->node->index,
                read->channel);
    }
    model_note_line(&sim->store, read->channel, sim->world.now_ms, was_ghost);
    clients_note_change(sim, read->channel);
    for (uint32_t i = 0; mend->page != NULL && i < mend->page->count; i++) {
        pubsub_send(sim, read->channel, mend->page->items[i]);
    }
}

void requests_note_life(struct sim *sim)
{
    if (sim->noted.count == 0) {
        hf_lives_admit(&sim->noted, sim->store_life);
    }
}

static void carry_out(struct open_read *read)
{
    requests_note_life(read->sim); /* before it makes a stream (test_store_redis) */
    if (read->is_mend) {
        carry_out_mend(read);
        return;
    }
    model_read(&read->sim->store, read->channel, &read->read, &read->result);
    read->result.life = read->sim->store_life;
    tell(read->sim,
         "node %u reads channel %u from %" PRIu64 "-%" PRIu64 ": top %" PRIu64 "-%" PRIu64,
         read->node->index, read->channel, read->read.since.epoch, read->read.since.offset,
         read->result.top.epoch, read->result.top.offset);
    read->result.admitted_life = read->read.proves ? hf_lives_newest(&read->sim->noted) : 0;
}

/* --- reads and mends ---------------------------------------------------------------------------
 */

/* Sent over a connection that may break before the store has it, or before the reply is back: a
 * read is then sent again, and so is a mend that still waited; another one has failed. */
static void act_read(void *subject, uint64_t number)
{
    struct open_read *read = subject;
    struct node *node = read->node;
    struct sim *sim = read->sim;
    struct world *world = &sim->world;
    if (read->is_cancelled) {
        free_read(read);
        return;
    }
    bool is_broken = !sim->is_store_up || read->commands != node->commands;
    if ((is_broken || read->is_done) &&
        node_postpones(node, LANE_COMMANDS, act_read, read, number)) {
        return;
    }
    if (is_broken && world->now_ms < node->commands_up_ms) {
        world_plan(world, node->commands_up_ms - world->now_ms, act_read, read, 0);
    } else if (is_broken && read->is_mend && read->was_sent) {
        read->mend_result = HF_EUNKNOWN;
        finish(read);
        node_end_turn(node);
        free_read(read);
    } else if (is_broken) {
        hf_page_unref(read->result.page);
        read->result.page = NULL;
        read->is_done = false;
        read->commands = node->commands;
        world_plan(world, 20 + world_below(world, 50), act_read, read, 0);
    } else if (read->is_done) {
        finish(read);
        node_end_turn(node);
        free_read(read);
    } else {
        carry_out(read);
        read->is_done = true;
        world_plan(world, travel_ms(sim, 10), act_read, read, 0);
    }
}

static struct open_read *open_read(struct node *node, struct hf_stream *stream,
                                   struct hf_bytes channel)
{
    struct sim *sim = node->sim;
    unsigned open = 1;
    for (const struct open_read *other = node->open; other != NULL; other = other->next) {
        open++;
        if (other->stream == stream || open > READS_IN_FLIGHT_MAX) {
            violate(sim, "V6", "node %u has %u reads open", node->index, open);
        }
    }
    struct open_read *read = calloc(1, sizeof *read);
    if (read == NULL) {
        abort();
    }
    read->sim = sim;
    read->node = node;
    read->stream = stream;
    read->channel = (unsigned)(channel.data[0] - 'a');
    read->commands = node->commands;
    read->was_sent = sim->is_store_up && sim->world.now_ms >= node->commands_up_ms;
    read->next = node->open;
    node->open = read;
    world_plan(&sim->world, travel_ms(sim, 15), act_read, read, 0);
    return read;
}

void effect_read(void *context, struct hf_stream *stream, const struct hf_core_read *wanted)
{
    struct node *node = context;
    node->sim->report->reads++;
    open_read(node, stream, wanted->channel)->read = *wanted;
}

void effect_mend(void *context, struct hf_stream *stream, const struct hf_core_mend *wanted)
{
    struct open_read *read = open_read(context, stream, wanted->channel);
    read->is_mend = true;
    read->mend = *wanted;
    if (read->mend.page != NULL) {
        hf_page_ref(read->mend.page);
    }
}

void requests_cancel(struct node *node)
{
    while (node->open != NULL) {
        struct open_read *read = node->open;
        read->is_cancelled = true;
        hf_page_unref(read->result.page);
        read->result = (struct hf_core_read_result){.result = HF_ECLOSED};
        read->mend_result = HF_ECLOSED;
        finish(read);
    }
}

/* --- publishes ---------------------------------------------------------------------------------
 */

static void free_publish(struct open_publish *publish)
{
    publish->node->sim->open_publishes--;
    hf_publication_unref(publish->publication);
    free(publish);
}

/* One whose connection breaks is not sent again here: whether it was applied is the store's to find
 * out (tests/chaos), not the core's. One whose connection is to a life that its node has not
 * admitted is held back (store.h, S7), however slowly the node notices; here it has failed. */
static void act_publish(void *subject, uint64_t number)
{
    struct open_publish *publish = subject;
    struct node *node = publish->node;
    struct sim *sim = node->sim;
    bool is_held = publish->publication == NULL && node->admitted != sim->store_life;
    if (!sim->is_store_up || !node->is_alive || publish->commands != node->commands || is_held) {
        free_publish(publish);
        return;
    }
    if (publish->publication == NULL) {
        publish->publication = model_publish(&sim->store, publish->channel);
        const struct hf_position *position = &publish->publication->position;
        sim->report->publications++;
        tell(sim, "published %" PRIu64 "-%" PRIu64 " #%" PRIu64 " on channel %u by node %u",
             position->epoch, position->offset, model_number(publish->publication),
             publish->channel, node->index);
        clients_note_change(sim, publish->channel);
        pubsub_send(sim, publish->channel, publish->publication);
        world_plan(&sim->world, travel_ms(sim, 5), act_publish, publish, 0);
        return;
    }
    if (node_postpones(node, LANE_COMMANDS, act_publish, publish, number)) {
        return;
    }
    node_sees(node, publish->publication);
    hf_core_published(node->core, channel_name(publish->channel), &stream_options,
                      publish->publication->position, &publish->publication->fields);
    sim->acknowledged[publish->channel]++;
    node_end_turn(node);
    free_publish(publish);
}

void publish(struct sim *sim, unsigned channel)
{
    struct node *node = &sim->nodes[world_below(&sim->world, NODES)];
    if (!sim->is_store_up || !node->is_alive || !node->is_connected ||
        sim->world.now_ms < node->commands_up_ms ||
        sim->world.now_ms < node->paused_until_ms[LANE_CLIENTS] || !node->has_admitted) {
        return;
    }
    struct open_publish *publish = malloc(sizeof *publish);
    if (publish == NULL) {
        abort();
    }
    *publish = (struct open_publish){node, channel, node->commands, NULL};
    sim->open_publishes++;
    world_plan(&sim->world, travel_ms(sim, 5), act_publish, publish, 0);
}

void requests_forget(const struct world_event *event)
{
    if (event->action == act_read) {
        free_read(event->subject);
    } else if (event->action == act_publish) {
        free_publish(event->subject);
    }
}
