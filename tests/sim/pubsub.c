#include "story.h"

#include <stdlib.h>

/* A publication on its way to a node. */
struct delivery {
    struct node *node;
    unsigned channel;
    uint64_t pubsub;
    struct hf_publication *publication;
};

/* SUBSCRIBE or UNSUBSCRIBE on its way to the store, and its confirmation on the way back. */
struct wish {
    struct node *node;
    unsigned channel;
    uint64_t pubsub;
    uint64_t listen; /* node->listens when it was made */
    bool is_wanted;
};

/* A word on its way from one node to another. */
struct word {
    struct node *node;
    uint64_t pubsub;
    struct hf_fence_word word;
};

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* One connection keeps its order: nothing arrives before what was sent before it. */
static uint64_t in_order(struct sim *sim, uint64_t *next_ms, uint64_t delay_ms)
{
    uint64_t at_ms = sim->world.now_ms + delay_ms;
    *next_ms = at_ms > *next_ms ? at_ms : *next_ms;
    return *next_ms - sim->world.now_ms;
}

static bool reaches(const struct node *node, uint64_t pubsub)
{
    return node->is_alive && node->is_connected && node->believed == pubsub;
}

/* --- subscribing -------------------------------------------------------------------------------
 */

static void act_confirmed(void *subject, uint64_t number)
{
    struct wish *wish = subject;
    struct node *node = wish->node;
    if (node_postpones(node, LANE_PUBSUB, act_confirmed, wish, number)) {
        return;
    }
    if (reaches(node, wish->pubsub) && node->listens[wish->channel] == wish->listen) {
        hf_core_listening(node->core, channel_name(wish->channel), node->sim->world.now_ms);
        node_end_turn(node);
    }
    free(wish);
}

static void act_wished(void *subject, uint64_t number)
{
    struct wish *wish = subject;
    struct node *node = wish->node;
    struct sim *sim = node->sim;
    (void)number;
    if (node->pubsub != wish->pubsub) {
        free(wish);
        return;
    }
    node->is_subscribed[wish->channel] = wish->is_wanted;
    if (!wish->is_wanted) {
        free(wish);
        return;
    }
    world_plan(&sim->world, in_order(sim, &node->next_delivery_ms, travel_ms(sim, 10)),
               act_confirmed, wish, 0);
}

static void wish_for(struct node *node, struct hf_bytes name, bool is_wanted)
{
    struct sim *sim = node->sim;
    unsigned channel = (unsigned)(name.data[0] - 'a');
    struct wish *wish = allocate(sizeof *wish);
    node->is_listening[channel] = is_wanted;
    *wish = (struct wish){node, channel, node->believed, ++node->listens[channel], is_wanted};
    world_plan(&sim->world, in_order(sim, &node->next_upstream_ms, travel_ms(sim, 10)), act_wished,
               wish, 0);
}

void effect_listen(void *context, struct hf_bytes channel)
{
    wish_for(context, channel, true);
}

void effect_unlisten(void *context, struct hf_bytes channel)
{
    wish_for(context, channel, false);
}

/* --- messages ----------------------------------------------------------------------------------
 */

static void act_deliver(void *subject, uint64_t number)
{
    struct delivery *delivery = subject;
    struct node *node = delivery->node;
    if (node_postpones(node, LANE_PUBSUB, act_deliver, delivery, number)) {
        return;
    }
    if (reaches(node, delivery->pubsub)) {
        if (node->is_listening[delivery->channel]) { /* else it may be of no use to anybody there */
            node_sees(node, delivery->publication);
        }
        hf_core_message(node->core, channel_name(delivery->channel), delivery->publication,
                        node->sim->world.now_ms);
        node_end_turn(node);
    }
    hf_publication_unref(delivery->publication);
    free(delivery);
}

static void send_one(struct node *node, unsigned channel, struct hf_publication *publication)
{
    struct sim *sim = node->sim;
    struct delivery *delivery = allocate(sizeof *delivery);
    *delivery = (struct delivery){node, channel, node->pubsub, hf_publication_ref(publication)};
    world_plan(&sim->world, in_order(sim, &node->next_delivery_ms, travel_ms(sim, 10)), act_deliver,
               delivery, 0);
}

void pubsub_send(struct sim *sim, unsigned channel, struct hf_publication *publication)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = &sim->nodes[i];
        if (!node->is_alive || !node->is_subscribed[channel]) {
            continue;
        }
        if (!sim->is_quiet && world_likely(&sim->world, sim->weather.drops_percent)) {
            tell(sim, "the message to node %u is dropped", i);
            continue;
        }
        send_one(node, channel, publication);
        if (!sim->is_quiet && world_likely(&sim->world, sim->weather.doubles_percent)) {
            send_one(node, channel, publication);
        }
    }
}

/* --- words -------------------------------------------------------------------------------------
 */

static void act_word(void *subject, uint64_t number)
{
    struct word *word = subject;
    struct node *node = word->node;
    if (node_postpones(node, LANE_PUBSUB, act_word, word, number)) {
        return;
    }
    if (reaches(node, word->pubsub)) {
        hf_fence_heard(&node->fence, &word->word, node->sim->world.now_ms);
        node_end_turn(node);
    }
    free(word);
}

void pubsub_say(struct sim *sim, const struct hf_fence_word *said)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = &sim->nodes[i];
        if (node->is_alive && node->is_connected && node->believed == node->pubsub) {
            struct word *word = allocate(sizeof *word);
            *word = (struct word){node, node->pubsub, *said};
            world_plan(&sim->world, 1 + world_below(&sim->world, 20), act_word, word, 0);
        }
    }
}

void pubsub_forget(const struct world_event *event)
{
    if (event->action == act_deliver) {
        hf_publication_unref(((struct delivery *)event->subject)->publication);
        free(event->subject);
    } else if (event->action == act_word || event->action == act_wished ||
               event->action == act_confirmed) {
        free(event->subject);
    }
}
