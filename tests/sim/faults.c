#include "story.h"

#include <string.h>

/* --- weather -----------------------------------------------------------------------------------
 */

static uint64_t one_of(struct world *world, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t choices[] = {a, b, c};
    return choices[world_below(world, 3)];
}

static void draw_weather(struct sim *sim)
{
    struct world *world = &sim->world;
    sim->weather = (struct weather){
        .drops_percent = world_likely(world, 30) ? 4 : 0,
        .doubles_percent = (unsigned)one_of(world, 0, 3, 15),
        .slow_percent = (unsigned)one_of(world, 1, 5, 30),
        .slow_ms = one_of(world, 60, 300, 800),
        .deaf_percent = (unsigned)one_of(world, 0, 30, 100),
        .publish_gap_ms = one_of(world, 20, 80, 400),
        .burst_max = one_of(world, 1, 4, 12),
        .fault_gap_ms = one_of(world, 100, 300, 900),
        .restless_ms = one_of(world, 40, 200, 1000),
        .away_ms = one_of(world, 50, 800, 3000),
        .downtime_ms = one_of(world, 1, 300, 2500),
        .rounds = 6,
    };
}

static void draw_config(struct sim *sim)
{
    struct world *world = &sim->world;
    sim->core_config = (struct hf_core_config){
        .linger_ms = one_of(world, 0, 700, 5000),
        .lingering_streams_max = (uint32_t)one_of(world, 0, 2, 2),
        .tail_publications_max = (uint32_t)one_of(world, 1, 4, 20),
        .tail_bytes_max = 4096,
        .tails_bytes_max = one_of(world, 300, 2000, 20000),
        .page_publications_max = (uint32_t)one_of(world, 1, 3, 20),
        .page_bytes_max = 4096,
        .reads_in_flight_max = READS_IN_FLIGHT_MAX,
        .wait_ms = WAIT_MS,
        .witnesses_max = 16,
        .witnesses_bytes_max = 2048,
        .witness_ttl_ms = 20000,
    };
}

/* --- the store's faults ------------------------------------------------------------------------
 */

static void act_store_up(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    (void)number;
    tell(sim, "the store is back");
    sim->is_store_up = true;
}

static void store_down(struct sim *sim)
{
    sim->is_store_up = false;
    sim->store_life++;
    for (unsigned i = 0; i < NODES; i++) {
        if (sim->nodes[i].is_alive) {
            node_cut(&sim->nodes[i], true);
        }
    }
    world_plan(&sim->world, world_below(&sim->world, sim->weather.downtime_ms), act_store_up, sim,
               0);
}

static void come_back_as(struct sim *sim, const struct model_stream *streams,
                         const struct hf_lives *noted)
{
    store_down(sim);
    bool has_forgotten = hf_lives_lack(noted, hf_lives_newest(&sim->noted));
    sim->noted = *noted;
    for (unsigned i = 0; i < MODEL_CHANNELS; i++) {
        model_go_back(&sim->store, i, &streams[i], has_forgotten);
        model_note_line(&sim->store, i, sim->world.now_ms, false);
        clients_note_change(sim, i);
    }
}

static void act_replicate(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    (void)number;
    if (!sim->is_quiet) {
        memcpy(sim->replica, sim->store.streams, sizeof sim->replica);
        sim->replica_noted = sim->noted;
        world_plan(&sim->world, 20 + world_below(&sim->world, 400), act_replicate, sim, 0);
    }
}

static void fault_expire(struct sim *sim, struct node *node)
{
    unsigned channel = (unsigned)world_below(&sim->world, MODEL_CHANNELS);
    (void)node;
    tell(sim, "the history of channel %u expires", channel);
    sim->store.streams[channel].count = 0;
    sim->store.streams[channel].emptied = sim->store.streams[channel].newest;
    clients_note_change(sim, channel);
}

static void fault_restart(struct sim *sim, struct node *node)
{
    (void)node;
    tell(sim, "the store is restarted and has lost nothing");
    store_down(sim);
}

static void fault_lose_all(struct sim *sim, struct node *node)
{
    static const struct model_stream nothing[MODEL_CHANNELS];
    static const struct hf_lives none;
    (void)node;
    tell(sim, "the store loses everything");
    come_back_as(sim, nothing, &none);
}

static void fault_snapshot(struct sim *sim, struct node *node)
{
    (void)node;
    tell(sim, "the store is saved");
    memcpy(sim->snapshot, sim->store.streams, sizeof sim->snapshot);
    sim->snapshot_noted = sim->noted;
}

static void fault_go_back(struct sim *sim, struct node *node)
{
    (void)node;
    tell(sim, "the store comes back as it was");
    sim->report->rollbacks++;
    come_back_as(sim, sim->snapshot, &sim->snapshot_noted);
}

static void fault_fail_over(struct sim *sim, struct node *node)
{
    (void)node;
    tell(sim, "a replica that lagged takes over");
    sim->report->rollbacks++;
    come_back_as(sim, sim->replica, &sim->replica_noted);
}

/* --- the nodes' and clients' faults ------------------------------------------------------------
 */

static void fault_cut(struct sim *sim, struct node *node)
{
    tell(sim, "node %u is cut off from pub/sub", node->index);
    node_cut(node, false);
}

static void fault_cut_all(struct sim *sim, struct node *node)
{
    tell(sim, "node %u is cut off", node->index);
    node_cut(node, true);
}

static void fault_crash(struct sim *sim, struct node *node)
{
    tell(sim, "node %u crashes", node->index);
    node_stop(node);
    world_plan(&sim->world, world_below(&sim->world, 700), act_start, node, 0);
}

/* Nobody is left who knows what the replica has missed: the stream takes another line from there,
 * until the old primary comes back with what it had. */
static void fault_blackout(struct sim *sim, struct node *node)
{
    fault_snapshot(sim, node);
    for (unsigned i = 0; i < NODES; i++) {
        if (sim->nodes[i].is_alive) {
            fault_crash(sim, &sim->nodes[i]);
        }
    }
    fault_fail_over(sim, node);
}

static void act_fail_over(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    (void)number;
    if (sim->is_store_up && !sim->is_quiet) {
        fault_fail_over(sim, NULL);
    }
}

/* A node starts while another one, which may know what is about to be lost, cannot be heard. */
static void fault_newborn(struct sim *sim, struct node *node)
{
    struct node *other = &sim->nodes[(node->index + 1) % NODES];
    tell(sim, "node %u is cut off while another one starts", node->index);
    node_cut(node, world_likely(&sim->world, 50));
    if (other->is_alive) {
        tell(sim, "node %u crashes", other->index);
        node_stop(other);
        world_plan(&sim->world, world_below(&sim->world, 100), act_start, other, 0);
    }
    world_plan(&sim->world, world_below(&sim->world, 1500), act_fail_over, sim, 0);
}

static void fault_stall(struct sim *sim, struct node *node)
{
    uint64_t until_ms = sim->world.now_ms + 100 + world_below(&sim->world, 600);
    tell(sim, "what is sent to node %u is held up", node->index);
    node->next_delivery_ms = node->next_delivery_ms > until_ms ? node->next_delivery_ms : until_ms;
}

static void fault_pause(struct sim *sim, struct node *node)
{
    bool is_long = world_likely(&sim->world, 30);
    uint64_t duration_ms =
        is_long ? PEER_TIMEOUT_MS + world_below(&sim->world, 2000) : world_below(&sim->world, 900);
    tell(sim, "node %u is stopped for %u ms", node->index, (unsigned)duration_ms);
    node_pause(node, duration_ms);
}

static void fault_storm(struct sim *sim, struct node *node)
{
    unsigned channel = (unsigned)world_below(&sim->world, MODEL_CHANNELS);
    (void)node;
    tell(sim, "all clients of channel %u are cut", channel);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (sim->clients[i].channel == channel) {
            client_move(&sim->clients[i], 30);
        }
    }
}

static void fault_flood(struct sim *sim, struct node *node)
{
    unsigned channel = (unsigned)world_below(&sim->world, MODEL_CHANNELS);
    (void)node;
    for (uint64_t i = world_below(&sim->world, 2 * MODEL_HISTORY); i > 0; i--) {
        publish(sim, channel);
    }
}

/* --- the schedule ------------------------------------------------------------------------------
 */

static const struct {
    void (*strike)(struct sim *sim, struct node *node);
    unsigned weight;
    bool wants_store; /* only while the store is up */
    bool is_rollback;
} faults[] = {
    {fault_cut, 10, false, false},    {fault_cut_all, 6, false, false},
    {fault_crash, 5, false, false},   {fault_stall, 5, false, false},
    {fault_pause, 4, false, false},   {fault_storm, 5, false, false},
    {fault_flood, 3, false, false},   {fault_expire, 3, false, false},
    {fault_restart, 3, true, false},  {fault_lose_all, 1, true, false},
    {fault_snapshot, 3, true, false}, {fault_go_back, 3, true, true},
    {fault_fail_over, 3, true, true}, {fault_blackout, 2, true, true},
    {fault_newborn, 4, true, true},
};
#define FAULTS (sizeof faults / sizeof faults[0])

static void act_fault(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    struct world *world = &sim->world;
    (void)number;
    if (sim->is_quiet) {
        return;
    }
    struct node *node = &sim->nodes[world_below(world, NODES)];
    uint64_t all = 0;
    for (unsigned i = 0; i < FAULTS; i++) {
        all += sim->fault_weights[i];
    }
    uint64_t dice = world_below(world, all + 1); /* the last: nothing happens */
    for (unsigned i = 0; i < FAULTS; i++) {
        if (dice < sim->fault_weights[i]) {
            bool can_strike = node->is_alive && (sim->is_store_up || !faults[i].wants_store) &&
                              (sim->options->with_rollbacks || !faults[i].is_rollback);
            if (can_strike) {
                faults[i].strike(sim, node);
            }
            break;
        }
        dice -= sim->fault_weights[i];
    }
    world_plan(world, world_below(world, 2 * sim->weather.fault_gap_ms), act_fault, sim, 0);
}

static void act_publisher(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    struct world *world = &sim->world;
    (void)number;
    if (sim->is_quiet) {
        return;
    }
    unsigned channel = (unsigned)world_below(world, MODEL_CHANNELS);
    for (uint64_t burst = 1 + world_below(world, sim->weather.burst_max); burst > 0; burst--) {
        publish(sim, channel);
    }
    world_plan(world, world_below(world, 2 * sim->weather.publish_gap_ms), act_publisher, sim, 0);
}

static void act_restless(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    struct world *world = &sim->world;
    (void)number;
    if (sim->is_quiet) {
        return;
    }
    client_move(&sim->clients[world_below(world, CLIENTS)], sim->weather.away_ms);
    world_plan(world, world_below(world, 2 * sim->weather.restless_ms), act_restless, sim, 0);
}

void faults_start(struct sim *sim)
{
    draw_weather(sim);
    draw_config(sim);
    for (unsigned i = 0; i < FAULTS; i++) {
        bool is_extra = faults[i].strike == fault_blackout || faults[i].strike == fault_newborn;
        if (is_extra && !sim->options->with_blackouts) {
            continue;
        }
        bool is_possible = world_likely(&sim->world, 65);
        sim->fault_weights[i] = is_possible ? faults[i].weight : 0;
    }
}

void faults_plan(struct sim *sim)
{
    world_plan(&sim->world, 50, act_publisher, sim, 0);
    world_plan(&sim->world, 100, act_restless, sim, 0);
    world_plan(&sim->world, 200, act_fault, sim, 0);
    world_plan(&sim->world, 10, act_replicate, sim, 0);
}
