#include "story.h"

#include <inttypes.h>
#include <stdlib.h>

#define CLIENT_RETRY_MS 300
#define STALE_MS        1000 /* a read may be under way for so long */

struct subscribe_request {
    struct client *client;
    uint64_t session;
    uint64_t sent_ms;
    uint64_t pauses; /* of the node, then */
};

/* --- what it sees ------------------------------------------------------------------------------
 */

static bool store_follows(const struct client *client)
{
    const struct place *place = &client->place;
    return place->is_known &&
           model_follows(&client->sim->store, client->channel, place->position, place->number);
}

void clients_note_change(struct sim *sim, unsigned channel)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &sim->clients[i];
        if (client->channel == channel) {
            client->was_cut_off |= !store_follows(client);
        }
    }
}

static void set_place(struct client *client, struct hf_position position, uint64_t number)
{
    client->place = (struct place){true, position, number};
    client->was_cut_off = !store_follows(client);
}

/* What a node has told a live client itself it remembers for it, even if all others take the node
 * for dead, unless the entries by which it could tell are gone. */
static bool must_remember(const struct client *client)
{
    const struct model_stream *stream = &client->sim->store.streams[client->channel];
    return client->state == CLIENT_LIVE && client->has_heard &&
           stream->emptied < client->place.number;
}

/* Whether the client's last publication must not be gone without its being told: a living node
 * knows of it, and this one does, or could by now. */
static bool must_follow(const struct client *client)
{
    const struct sim *sim = client->sim;
    const struct model_publication *last = &sim->store.publications[client->place.number];
    if (last->seen_by == 0) {
        return must_remember(client);
    }
    return !last->is_orphan || client->node->fence.life >= last->found_life ||
           sim->world.now_ms > last->found_ms + DEAF_MS + STALE_MS;
}

void client_process(struct client *client, const struct hf_publication *publication)
{
    struct sim *sim = client->sim;
    const struct place place = client->place;
    uint64_t number = model_number(publication);
    struct hf_position position = publication->position;
    sim->report->deliveries++;
    tell(sim, "client %u gets %" PRIu64 "-%" PRIu64 " #%" PRIu64, client->index, position.epoch,
         position.offset, number);
    if (position.epoch != place.position.epoch || position.offset != place.position.offset + 1) {
        violate(sim, "V1", "client %u is at %" PRIu64 "-%" PRIu64 " and gets %" PRIu64 "-%" PRIu64,
                client->index, place.position.epoch, place.position.offset, position.epoch,
                position.offset);
    }
    const struct model_publication *publications = sim->store.publications;
    bool follows = place.number == 0 || publications[number].behind == place.number;
    if (!follows && !must_follow(client)) {
        sim->report->unwitnessed++;
    } else if (!follows) {
        violate(sim, "V2",
                "client %u has #%" PRIu64 " and gets #%" PRIu64 ", which was written behind "
                "#%" PRIu64,
                client->index, place.number, number, publications[number].behind);
    }
    set_place(client, position, number);
    client->has_heard = true;
}

static void check_refusal(struct client *client)
{
    if (!client->was_cut_off) {
        violate(client->sim, "V5",
                "client %u at %" PRIu64 "-%" PRIu64 " is refused what the store has had all along",
                client->index, client->place.position.epoch, client->place.position.offset);
    }
}

/* --- subscribing -------------------------------------------------------------------------------
 */

static void ask(struct client *client, bool continues);

static void act_retry(void *subject, uint64_t session)
{
    struct client *client = subject;
    if (client->session == session && client->state == CLIENT_SUBSCRIBING &&
        !node_postpones(client->node, LANE_CLIENTS, act_retry, client, session)) {
        ask(client, false);
    }
}

static void act_page(void *subject, uint64_t session)
{
    struct client *client = subject;
    if (client->session == session && client->state == CLIENT_PAGING &&
        !node_postpones(client->node, LANE_CLIENTS, act_page, client, session)) {
        ask(client, true);
    }
}

static void ask_again_later(struct client *client)
{
    struct world *world = &client->sim->world;
    client->state = CLIENT_SUBSCRIBING;
    world_plan(world, 1 + world_below(world, CLIENT_RETRY_MS), act_retry, client, client->session);
}

void client_lost(struct client *client)
{
    client->sim->report->lost++;
    tell(client->sim, "client %u is told that it lost its place", client->index);
    check_refusal(client);
    ask_again_later(client);
}

/* A node may not have noticed yet that the store is another one, but not for long; and in the life
 * that it knows nothing is mended once its fence is open, unless by a ghost. */
static void check_line(const struct client *client)
{
    struct sim *sim = client->sim;
    const struct model_publication *last = &sim->store.publications[client->place.number];
    if (client->place.number == 0 || last->left_ms == 0 ||
        (last->seen_by == 0 && !must_remember(client))) {
        return;
    }
    bool is_late = sim->world.now_ms > last->left_ms + DEAF_MS + STALE_MS;
    bool is_of_its_life = client->node->fence.life == sim->store_life && !last->left_to_ghost;
    if (is_late || is_of_its_life) {
        violate(sim, "V9", "client %u recovered to #%" PRIu64 ", which the stream has left",
                client->index, client->place.number);
    }
}

static void take_recovered(struct client *client, const struct hf_subscribe_result *answer)
{
    struct sim *sim = client->sim;
    sim->report->recovered++;
    tell(sim, "client %u recovered to %" PRIu64 "-%" PRIu64 "%s", client->index,
         answer->position.epoch, answer->position.offset, answer->live ? ", live" : "");
    if (client->place.position.epoch != answer->position.epoch) {
        violate(sim, "V1", "client %u was recovered into another epoch", client->index);
    }
    for (uint32_t i = 0; answer->page != NULL && i < answer->page->count; i++) {
        client_process(client, answer->page->items[i]);
    }
    if (!hf_position_equal(client->place.position, answer->position)) {
        violate(sim, "V1", "client %u: the answer's position is not its page's end", client->index);
    }
    check_line(client);
}

static void take_fresh(struct client *client, const struct hf_subscribe_result *answer)
{
    struct sim *sim = client->sim;
    if (client->state == CLIENT_PAGING) {
        violate(sim, "V1", "client %u: a page without `recovered`", client->index);
    }
    if (client->place.is_known) {
        sim->report->refused++;
        check_refusal(client);
    }
    tell(sim, "client %u starts at %" PRIu64 "-%" PRIu64, client->index, answer->position.epoch,
         answer->position.offset);
    set_place(client, answer->position, 0);
}

static void take_answer(struct client *client, int result, const struct hf_subscribe_result *answer)
{
    struct world *world = &client->sim->world;
    if (result != HF_OK) {
        tell(client->sim, "client %u is answered %s", client->index, hf_error_text(result));
        if (result == HF_EUNRECOVERABLE) {
            check_refusal(client);
        }
        ask_again_later(client);
        return;
    }
    if (answer->recovered) {
        take_recovered(client, answer);
    } else {
        take_fresh(client, answer);
    }
    client->state = answer->live ? CLIENT_LIVE : CLIENT_PAGING;
    if (!answer->live) {
        world_plan(world, world_below(world, 30), act_page, client, client->session);
    }
}

void effect_answer(void *context, void *owner, int result, const struct hf_subscribe_result *answer)
{
    struct node *node = context;
    struct subscribe_request *request = owner;
    uint64_t waited_ms = node->sim->world.now_ms - request->sent_ms;
    node->sim->open_subscribes--;
    if (waited_ms > WAIT_MS + 2 * HF_CORE_TICK_MS && node->pauses == request->pauses) {
        violate(node->sim, "V4", "client %u is answered after %" PRIu64 " ms",
                request->client->index, waited_ms);
    }
    if (request->client->session == request->session) {
        take_answer(request->client, result, answer);
    }
    free(request);
}

static void ask(struct client *client, bool continues)
{
    struct sim *sim = client->sim;
    struct node *node = client->node;
    struct subscribe_request *request = malloc(sizeof *request);
    const struct hf_subscribe_params params = {
        .recover = client->place.is_known,
        .since = client->place.position,
        .recovery_limit = HF_LIMIT_NONE,
    };
    if (request == NULL) {
        abort();
    }
    *request = (struct subscribe_request){client, client->session, sim->world.now_ms, node->pauses};
    sim->open_subscribes++;
    client->was_cut_off = !store_follows(client);
    node_keep_time(node);
    int result = hf_core_subscribe(node->core, node->watches[client->channel].core, &params,
                                   continues, request, sim->world.now_ms);
    if (result != HF_OK) {
        abort();
    }
}

/* --- coming and going --------------------------------------------------------------------------
 */

/* As the engine's mailbox: what a paused node is told it learns later. */
static void act_close(void *subject, uint64_t life)
{
    struct watch *watch = subject;
    struct node *node = watch->node;
    if (!node->is_alive || node->life != life || watch->users > 0 || watch->core == NULL ||
        node_postpones(node, LANE_CLIENTS, act_close, watch, life)) {
        return;
    }
    struct hf_core_watch *core = watch->core;
    watch->core = NULL;
    hf_core_watch_close(node->core, core, node->sim->world.now_ms);
}

void client_leave(struct client *client)
{
    struct watch *watch = &client->node->watches[client->channel];
    client->session++;
    client->state = CLIENT_OFFLINE;
    client->node = NULL;
    if (--watch->users == 0) {
        act_close(watch, watch->node->life);
    }
}

static void act_arrive(void *subject, uint64_t session)
{
    struct client *client = subject;
    struct sim *sim = client->sim;
    if (client->session != session || client->state != CLIENT_OFFLINE) {
        return;
    }
    struct node *node = &sim->nodes[world_below(&sim->world, NODES)];
    if (!node->is_alive) {
        world_plan(&sim->world, 50, act_arrive, client, session);
        return;
    }
    if (node_postpones(node, LANE_CLIENTS, act_arrive, client, session)) {
        return;
    }
    struct watch *watch = &node->watches[client->channel];
    watch->users++;
    if (watch->core == NULL) {
        watch->core =
            hf_core_watch_open(node->core, channel_name(client->channel), &stream_options, watch);
    }
    client->node = node;
    client->state = CLIENT_SUBSCRIBING;
    client->has_heard = false;
    tell(sim, "client %u arrives at node %u", client->index, node->index);
    ask(client, false);
}

/* Most come back with what they had last, some with a place of long ago, or with none. */
static void recall(struct client *client)
{
    uint64_t dice = world_below(&client->sim->world, 100);
    if (dice < 5) {
        client->place.is_known = false;
    } else if (dice < 15 && client->noted.is_known) {
        client->place = client->noted;
    } else if (dice < 25) {
        client->noted = client->place;
    }
}

void client_move(struct client *client, uint64_t away_ms)
{
    struct world *world = &client->sim->world;
    if (client->state == CLIENT_OFFLINE) {
        return;
    }
    tell(client->sim, "client %u leaves", client->index);
    client_leave(client);
    recall(client);
    world_plan(world, world_below(world, away_ms + 1), act_arrive, client, client->session);
}

void clients_start(struct sim *sim)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &sim->clients[i];
        *client = (struct client){.sim = sim, .index = i, .channel = i % MODEL_CHANNELS};
        world_plan(&sim->world, world_below(&sim->world, 500), act_arrive, client, 0);
    }
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* Of an epoch that holds nothing yet nobody has missed anything. */
static bool is_at_top(const struct client *client)
{
    struct hf_position top = client->sim->store.streams[client->channel].top;
    return top.offset == 0 || hf_position_equal(client->place.position, top);
}

bool clients_are_settled(const struct sim *sim, bool at_top)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct client *client = &sim->clients[i];
        if (client->state != CLIENT_LIVE || (at_top && !is_at_top(client))) {
            return false;
        }
    }
    return true;
}

void clients_check_end(struct sim *sim, bool at_top)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct client *client = &sim->clients[i];
        const struct model_stream *stream = &sim->store.streams[client->channel];
        uint64_t number = client->place.number;
        if (client->state != CLIENT_LIVE) {
            violate(sim, "V3", "client %u is not live when all is quiet (state %d)", i,
                    client->state);
        } else if (!at_top) {
            continue;
        } else if (!is_at_top(client)) {
            violate(sim, "V3",
                    "client %u is at %" PRIu64 "-%" PRIu64 ", the stream at %" PRIu64 "-%" PRIu64,
                    i, client->place.position.epoch, client->place.position.offset,
                    stream->top.epoch, stream->top.offset);
        } else if (stream->top.offset > 0 && number != 0 && number != stream->newest &&
                   sim->store.publications[number].seen_by != 0) {
            violate(sim, "V2", "client %u has another publication than the stream at its top", i);
        }
    }
}
