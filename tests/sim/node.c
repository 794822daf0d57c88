#include "story.h"

#include <stdlib.h>
#include <string.h>

/* A node that knows of a loss must be back before the others stop waiting for it. */
#define NOTICE_MS    1200
#define RECONNECT_MS 800

const struct hf_stream_options stream_options = {MODEL_HISTORY, 3600, 3600};

struct hf_bytes channel_name(unsigned channel)
{
    static const char names[] = "abcdefgh";
    return (struct hf_bytes){names + channel, 1};
}

void node_sees(struct node *node, const struct hf_publication *publication)
{
    struct sim *sim = node->sim;
    struct model_publication *seen = &sim->store.publications[model_number(publication)];
    if (node->is_ghost) {
        return;
    }
    if (seen->seen_by == 0) {
        seen->found_ms = sim->world.now_ms;
        seen->found_life = sim->store_life;
    }
    seen->seen_by |= (uint8_t)(1u << node->index);
}

/* What it knows is not known to a living node any more. */
static void unsee(struct node *node)
{
    struct model_store *store = &node->sim->store;
    for (uint64_t number = 1; number <= store->numbers; number++) {
        store->publications[number].seen_by &= (uint8_t) ~(1u << node->index);
    }
}

/* --- the core's effects ------------------------------------------------------------------------
 */

static void effect_deliver(void *context, void *owner, struct hf_publication *publication)
{
    struct node *node = context;
    struct watch *watch = owner;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &node->sim->clients[i];
        if (client->node == node && client->channel == watch->channel &&
            client->state == CLIENT_LIVE) {
            client_process(client, publication);
        }
    }
}

static void effect_lost(void *context, void *owner, int reason)
{
    struct node *node = context;
    struct watch *watch = owner;
    (void)reason;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &node->sim->clients[i];
        if (client->node == node && client->channel == watch->channel &&
            client->state == CLIENT_LIVE) {
            client_lost(client);
        }
    }
}

static const struct hf_core_effects effects = {
    .listen = effect_listen,
    .unlisten = effect_unlisten,
    .read = effect_read,
    .mend = effect_mend,
    .deliver = effect_deliver,
    .lost = effect_lost,
    .answer = effect_answer,
};

/* --- turns -------------------------------------------------------------------------------------
 */

bool node_postpones(struct node *node, enum lane lane, world_action *action, void *subject,
                    uint64_t number)
{
    struct world *world = &node->sim->world;
    if (!node->is_alive || world->now_ms >= node->paused_until_ms[lane]) {
        return false;
    }
    world_plan(world, node->paused_until_ms[lane] - world->now_ms, action, subject, number);
    return true;
}

static void show_fence(struct node *node, bool is_open)
{
    if (is_open != node->is_open) {
        tell(node->sim, "node %u %s its fence", node->index, is_open ? "opens" : "closes");
        node->is_open = is_open;
    }
}

void node_keep_time(struct node *node)
{
    uint64_t now_ms = node->sim->world.now_ms;
    if (!hf_fence_is_open(&node->fence, now_ms)) {
        show_fence(node, false);
        hf_core_set_fence(node->core, true, now_ms);
    }
}

void node_end_turn(struct node *node)
{
    struct sim *sim = node->sim;
    uint64_t now_ms = sim->world.now_ms;
    if (node->is_connected && hf_core_is_checked(node->core)) {
        hf_fence_checked(&node->fence);
    }
    struct hf_fence_word word;
    bool can_say = sim->is_store_up && now_ms >= node->commands_up_ms;
    if (can_say && hf_fence_says(&node->fence, &word, now_ms)) {
        pubsub_say(sim, &word);
    }
    bool is_open = hf_fence_is_open(&node->fence, now_ms);
    node->admitted = is_open ? node->fence.life : node->admitted;
    if (is_open && !node->has_admitted && node->fence.life == sim->store_life && can_say) {
        hf_lives_admit(&sim->noted, sim->store_life);
        node->has_admitted = true;
    }
    show_fence(node, is_open);
    hf_core_set_fence(node->core, !is_open, now_ms);
}

static void act_tick(void *subject, uint64_t life)
{
    struct node *node = subject;
    if (!node->is_alive || node->life != life ||
        node_postpones(node, LANE_TIMERS, act_tick, node, life)) {
        return;
    }
    node_keep_time(node);
    hf_core_tick(node->core, node->sim->world.now_ms);
    node_end_turn(node);
    world_plan(&node->sim->world, HF_CORE_TICK_MS, act_tick, node, life);
}

/* --- the connection ----------------------------------------------------------------------------
 */

static void act_connect(void *subject, uint64_t life)
{
    struct node *node = subject;
    struct sim *sim = node->sim;
    uint64_t now_ms = sim->world.now_ms;
    if (!node->is_alive || node->life != life || node->is_connected ||
        node_postpones(node, LANE_TIMERS, act_connect, node, life)) {
        return;
    }
    if (!sim->is_store_up || now_ms < node->commands_up_ms) {
        world_plan(&sim->world, 20 + world_below(&sim->world, 60), act_connect, node, life);
        return;
    }
    node->is_connected = true;
    node->is_ghost = false;
    node->believed = ++node->pubsub;
    memset(node->is_subscribed, 0, sizeof node->is_subscribed);
    tell(sim, "node %u connects to life %u, admitted was %u", node->index,
         (unsigned)sim->store_life, (unsigned)hf_lives_newest(&sim->noted));
    node->has_admitted = false;
    const struct hf_lives admitted = sim->noted;
    hf_fence_connected(&node->fence, sim->store_life, hf_lives_newest(&admitted), now_ms);
    node_end_turn(node);
    requests_note_life(sim);
    hf_core_connected(node->core, sim->store_life, &admitted);
    node_end_turn(node);
}

static void act_notice(void *subject, uint64_t believed)
{
    struct node *node = subject;
    struct world *world = &node->sim->world;
    if (!node->is_alive || !node->is_connected || node->believed != believed ||
        node_postpones(node, LANE_PUBSUB, act_notice, node, believed)) {
        return;
    }
    tell(node->sim, "node %u is disconnected", node->index);
    node->is_connected = false;
    hf_fence_disconnected(&node->fence);
    hf_core_disconnected(node->core);
    node_end_turn(node);
    world_plan(world, world_below(world, world_likely(world, 20) ? RECONNECT_MS : 100), act_connect,
               node, node->life);
}

void node_cut(struct node *node, bool commands_too)
{
    struct sim *sim = node->sim;
    struct world *world = &sim->world;
    bool is_late = world_likely(world, sim->weather.deaf_percent);
    uint64_t notice_ms = is_late ? world_below(world, NOTICE_MS) : 0;
    node->pubsub++;
    memset(node->is_subscribed, 0, sizeof node->is_subscribed);
    if (commands_too) {
        node->commands++;
        node->commands_up_ms = world->now_ms + notice_ms + world_below(world, 100);
    }
    if (notice_ms > 0) {
        world_plan(world, notice_ms, act_notice, node, node->believed);
    } else {
        act_notice(node, node->believed);
    }
}

void node_pause(struct node *node, uint64_t duration_ms)
{
    struct world *world = &node->sim->world;
    node->pauses++;
    for (unsigned lane = 0; lane < LANES; lane++) {
        uint64_t until_ms = world->now_ms + duration_ms + world_below(world, 20);
        if (until_ms > node->paused_until_ms[lane]) {
            node->paused_until_ms[lane] = until_ms;
        }
    }
    if (duration_ms > PEER_TIMEOUT_MS - NOTICE_MS - RECONNECT_MS - 200) {
        node->is_ghost = true;
        node->ghost_ms = world->now_ms + duration_ms;
        unsee(node);
    }
}

/* --- starting and stopping ---------------------------------------------------------------------
 */

void node_start(struct node *node)
{
    struct sim *sim = node->sim;
    const struct hf_fence_config fence_config = {
        .self = ((uint64_t)node->index + 1) * 1000000 + node->life,
        .peer_timeout_ms = PEER_TIMEOUT_MS,
        .hello_ms = 200,
        .heartbeat_ms = 500,
        .deaf_ms = DEAF_MS,
        .peers_max = 8,
    };
    node->core = hf_core_new(&sim->core_config, &effects, node);
    if (node->core == NULL || !hf_fence_init(&node->fence, &fence_config)) {
        abort();
    }
    hf_core_set_fence(node->core, true, sim->world.now_ms);
    node->is_alive = true;
    node->is_open = false;
    node->admitted = 0;
    node->is_ghost = false;
    node->life++;
    node->commands_up_ms = 0;
    memset(node->paused_until_ms, 0, sizeof node->paused_until_ms);
    for (unsigned i = 0; i < MODEL_CHANNELS; i++) {
        node->watches[i] = (struct watch){.node = node, .channel = i};
    }
    world_plan(&sim->world, world_below(&sim->world, 100), act_connect, node, node->life);
    world_plan(&sim->world, HF_CORE_TICK_MS, act_tick, node, node->life);
}

/* Dead at once; its memory is given back as an engine's close would. */
void node_stop(struct node *node)
{
    struct sim *sim = node->sim;
    node->is_alive = false;
    unsee(node);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (sim->clients[i].node == node) {
            client_move(&sim->clients[i], 500);
        }
    }
    node->pubsub++;
    node->commands++;
    memset(node->is_subscribed, 0, sizeof node->is_subscribed);
    if (node->is_connected) {
        node->is_connected = false;
        hf_core_disconnected(node->core);
    }
    requests_cancel(node);
    hf_core_free(node->core);
    node->core = NULL;
    hf_fence_fini(&node->fence);
}

void act_start(void *subject, uint64_t number)
{
    struct node *node = subject;
    (void)number;
    tell(node->sim, "node %u starts", node->index);
    node_start(node);
}

bool nodes_are_settled(struct sim *sim)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = &sim->nodes[i];
        if (!node->is_alive || !node->is_connected || node->fence.life != sim->store_life ||
            !hf_fence_is_open(&node->fence, sim->world.now_ms)) {
            return false;
        }
    }
    return true;
}
