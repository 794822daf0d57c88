#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fence.h"
#include "model_store.h"
#include "world.h"

#define NODES           3
#define CLIENTS         12
#define FAULTS_UNTIL_MS 6000
#define QUIET_UNTIL_MS  40000
#define WAIT_MS         1500
#define CLIENT_RETRY_MS 300

struct sim;

/* What a node has open with the store. */
struct open_read {
    struct sim *sim;
    struct node *node;
    struct hf_stream *stream;
    bool is_mend;
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

struct watch {
    struct node *node;
    unsigned channel;
    struct hf_core_watch *core; /* NULL: nobody on this node is interested */
    unsigned users;
};

struct node {
    struct sim *sim;
    unsigned index;
    bool is_alive;
    uint64_t life; /* counts starts */
    struct hf_core *core;
    bool is_connected; /* the core was told so */
    uint64_t pubsub;   /* counts pub/sub connections */
    uint64_t commands; /* counts command connections */
    bool is_listening[MODEL_CHANNELS];
    uint64_t next_delivery_ms; /* one connection keeps its order */
    struct watch watches[MODEL_CHANNELS];
    struct open_read *open;
    struct hf_fence fence;
};

/* A word on its way from one node to another. */
struct word {
    struct node *node;
    uint64_t pubsub;
    struct hf_fence_word word;
};

enum client_state { CLIENT_OFFLINE, CLIENT_SUBSCRIBING, CLIENT_PAGING, CLIENT_LIVE };

struct client {
    struct sim *sim;
    unsigned index, channel;
    enum client_state state;
    struct node *node; /* unless OFFLINE */
    uint64_t session;  /* counts connections */
    bool has_position;
    struct hf_position position; /* of the last publication that was processed */
    uint64_t number;             /* that publication, 0: not known */
};

struct subscribe_request {
    struct client *client;
    uint64_t session;
};

struct delivery {
    struct node *node;
    unsigned channel;
    uint64_t pubsub, life;
    struct hf_publication *publication;
};

struct sim {
    struct world world;
    struct model_store store;
    struct model_store snapshot; /* streams only */
    bool is_store_up;
    uint64_t store_life; /* counts its processes */
    struct node nodes[NODES];
    struct client clients[CLIENTS];
    uint64_t open_subscribes;
    const struct sim_options *options;
    struct sim_report *report;
    bool is_quiet;
};

/* --- telling -----------------------------------------------------------------------------------
 */

static void tell(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct sim *sim, const char *format, ...)
{
    if (!sim->options->is_verbose) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    printf("%6" PRIu64 "  ", sim->world.now_ms);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

static void violate(struct sim *sim, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void violate(struct sim *sim, const char *rule, const char *format, ...)
{
    if (sim->report->violation != NULL) {
        return;
    }
    sim->report->violation = rule;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->report->detail, sizeof sim->report->detail, format, arguments);
    va_end(arguments);
    tell(sim, "VIOLATION %s: %s", rule, sim->report->detail);
}

/* --- clients -----------------------------------------------------------------------------------
 */

static void client_process(struct client *client, const struct hf_publication *publication)
{
    struct sim *sim = client->sim;
    uint64_t number = model_number(publication);
    struct hf_position position = publication->position;
    sim->report->deliveries++;
    tell(sim, "client %u gets %" PRIu64 "-%" PRIu64 " #%" PRIu64, client->index, position.epoch,
         position.offset, number);
    if (position.epoch != client->position.epoch ||
        position.offset != client->position.offset + 1) {
        violate(sim, "V1", "client %u is at %" PRIu64 "-%" PRIu64 " and gets %" PRIu64 "-%" PRIu64,
                client->index, client->position.epoch, client->position.offset, position.epoch,
                position.offset);
    }
    bool follows = client->number == 0 || sim->store.behind[number] == client->number;
    if (!follows && sim->store.seen_by[client->number] == 0) {
        sim->report->unwitnessed++;
    } else if (!follows) {
        violate(sim, "V2",
                "client %u has #%" PRIu64 " and gets #%" PRIu64 ", which was written behind "
                "#%" PRIu64,
                client->index, client->number, number, sim->store.behind[number]);
    }
    client->position = position;
    client->number = number;
}

static void client_subscribe(struct client *client, bool continues);

static void act_client_retry(void *subject, uint64_t session)
{
    struct client *client = subject;
    if (client->session == session && client->state == CLIENT_SUBSCRIBING) {
        client_subscribe(client, false);
    }
}

static void act_client_page(void *subject, uint64_t session)
{
    struct client *client = subject;
    if (client->session == session && client->state == CLIENT_PAGING) {
        client_subscribe(client, true);
    }
}

static void client_resubscribe_later(struct client *client)
{
    client->state = CLIENT_SUBSCRIBING;
    world_plan(&client->sim->world, 1 + world_below(&client->sim->world, CLIENT_RETRY_MS),
               act_client_retry, client, client->session);
}

static void client_answered(struct client *client, int result,
                            const struct hf_subscribe_result *answer)
{
    struct sim *sim = client->sim;
    if (result != HF_OK) {
        tell(sim, "client %u is answered %s", client->index, hf_error_text(result));
        client_resubscribe_later(client);
        return;
    }
    bool was_paging = client->state == CLIENT_PAGING;
    if (answer->recovered) {
        sim->report->recovered++;
        tell(sim, "client %u recovered to %" PRIu64 "-%" PRIu64 "%s", client->index,
             answer->position.epoch, answer->position.offset, answer->live ? ", live" : "");
        if (client->has_position && client->position.epoch != answer->position.epoch) {
            violate(sim, "V1", "client %u was recovered into another epoch", client->index);
        }
        for (uint32_t i = 0; answer->page != NULL && i < answer->page->count; i++) {
            client_process(client, answer->page->items[i]);
        }
        if (!hf_position_equal(client->position, answer->position)) {
            violate(sim, "V1", "client %u: the answer's position is not its page's end",
                    client->index);
        }
    } else {
        sim->report->refused += client->has_position;
        if (was_paging) {
            violate(sim, "V1", "client %u: a page without `recovered`", client->index);
        }
        tell(sim, "client %u starts at %" PRIu64 "-%" PRIu64, client->index, answer->position.epoch,
             answer->position.offset);
        client->position = answer->position;
        client->number = 0;
        client->has_position = true;
    }
    client->state = answer->live ? CLIENT_LIVE : CLIENT_PAGING;
    if (!answer->live) {
        world_plan(&sim->world, world_below(&sim->world, 30), act_client_page, client,
                   client->session);
    }
}

static void client_subscribe(struct client *client, bool continues)
{
    struct sim *sim = client->sim;
    struct subscribe_request *request = malloc(sizeof *request);
    struct hf_subscribe_params params = {
        .recover = client->has_position,
        .since = client->position,
        .recovery_limit = HF_LIMIT_NONE,
    };
    *request = (struct subscribe_request){client, client->session};
    sim->open_subscribes++;
    int result = hf_core_subscribe(client->node->core, client->node->watches[client->channel].core,
                                   &params, continues, request, sim->world.now_ms);
    if (result != HF_OK) {
        abort();
    }
}

static void client_leave(struct client *client)
{
    struct watch *watch = &client->node->watches[client->channel];
    client->session++;
    client->state = CLIENT_OFFLINE;
    if (--watch->users == 0 && client->node->is_alive) {
        struct hf_core_watch *core = watch->core;
        watch->core = NULL;
        hf_core_watch_close(client->node->core, core, client->sim->world.now_ms);
    }
    client->node = NULL;
}

static void act_client_arrive(void *subject, uint64_t session)
{
    struct client *client = subject;
    struct sim *sim = client->sim;
    if (client->session != session || client->state != CLIENT_OFFLINE) {
        return;
    }
    struct node *node = &sim->nodes[world_below(&sim->world, NODES)];
    if (!node->is_alive) {
        world_plan(&sim->world, 50, act_client_arrive, client, client->session);
        return;
    }
    struct watch *watch = &node->watches[client->channel];
    if (watch->users++ == 0) {
        static const struct hf_stream_options options = {MODEL_HISTORY, 3600, 3600};
        char name = (char)('a' + client->channel);
        watch->core = hf_core_watch_open(node->core, (struct hf_bytes){&name, 1}, &options, watch);
    }
    tell(sim, "client %u arrives at node %u", client->index, node->index);
    client->node = node;
    client->state = CLIENT_SUBSCRIBING;
    client_subscribe(client, false);
}

static void act_client_leave(void *subject, uint64_t number)
{
    struct client *client = subject;
    struct world *world = &client->sim->world;
    (void)number;
    if (client->sim->is_quiet || client->state == CLIENT_OFFLINE) {
        return;
    }
    tell(client->sim, "client %u leaves", client->index);
    client_leave(client);
    world_plan(world, world_below(world, 800), act_client_arrive, client, client->session);
}

/* --- the core's effects ------------------------------------------------------------------------
 */

static unsigned channel_of(struct hf_bytes channel)
{
    return (unsigned)(channel.data[0] - 'a');
}

static void act_listening(void *subject, uint64_t number)
{
    struct node *node = subject;
    unsigned channel = (unsigned)(number % MODEL_CHANNELS);
    if (node->is_alive && node->is_connected && node->pubsub == number / MODEL_CHANNELS &&
        node->is_listening[channel]) {
        char name = (char)('a' + channel);
        hf_core_listening(node->core, (struct hf_bytes){&name, 1}, node->sim->world.now_ms);
    }
}

/* Subscribed at once as far as the store goes; the confirmation takes its way among the messages.
 */
static void effect_listen(void *context, struct hf_bytes channel)
{
    struct node *node = context;
    struct world *world = &node->sim->world;
    unsigned index = channel_of(channel);
    node->is_listening[index] = true;
    uint64_t at_ms = world->now_ms + 1 + world_below(world, 20);
    node->next_delivery_ms = at_ms > node->next_delivery_ms ? at_ms : node->next_delivery_ms;
    world_plan(world, node->next_delivery_ms - world->now_ms, act_listening, node,
               node->pubsub * MODEL_CHANNELS + index);
}

static void effect_unlisten(void *context, struct hf_bytes channel)
{
    struct node *node = context;
    node->is_listening[channel_of(channel)] = false;
}

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
static void see(struct node *node, const struct hf_publication *publication)
{
    node->sim->store.seen_by[model_number(publication)] |= (uint8_t)(1u << node->index);
}

static void finish(struct open_read *read)
{
    struct node *node = read->node;
    struct sim *sim = node->sim;
    forget(read);
    for (uint32_t i = 0; read->result.page != NULL && i < read->result.page->count; i++) {
        see(node, read->result.page->items[i]);
    }
    if (read->is_mend) {
        hf_core_mend_done(node->core, read->stream, read->mend_result, sim->world.now_ms);
    } else {
        hf_core_read_done(node->core, read->stream, &read->result, sim->world.now_ms);
    }
}

static void free_read(struct open_read *read)
{
    hf_page_unref(read->result.page);
    hf_page_unref(read->mend.page);
    free(read);
}

static void store_publish(struct sim *sim, unsigned channel, struct hf_publication *publication);

static void carry_out(struct open_read *read)
{
    struct sim *sim = read->sim;
    if (!read->is_mend) {
        model_read(&sim->store, read->channel, &read->read, &read->result);
        return;
    }
    read->mend_result = model_mend(&sim->store, read->channel, &read->mend);
    tell(sim, "node %u mends channel %u at %" PRIu64 "-%" PRIu64 "%s: %s", read->node->index,
         read->channel, read->mend.expected.epoch, read->mend.expected.offset,
         read->mend.page != NULL ? " by writing back" : " by a new epoch",
         hf_error_text(read->mend_result));
    for (uint32_t i = 0;
         read->mend_result == HF_OK && read->mend.page != NULL && i < read->mend.page->count; i++) {
        store_publish(sim, read->channel, read->mend.page->items[i]);
    }
}

/* Sent over a connection that may break before the store has it, or before the reply is back: a
 * read is then sent again, a mend has failed. */
static void act_read(void *subject, uint64_t number)
{
    struct open_read *read = subject;
    struct sim *sim = read->sim;
    struct world *world = &sim->world;
    (void)number;
    if (read->is_cancelled) {
        free_read(read);
        return;
    }
    if (!sim->is_store_up || read->commands != read->node->commands) {
        if (read->is_mend) {
            read->mend_result = HF_EUNKNOWN;
            finish(read);
            free_read(read);
            return;
        }
        hf_page_unref(read->result.page);
        read->result.page = NULL;
        read->is_done = false;
        read->commands = read->node->commands;
        world_plan(world, 20 + world_below(world, 50), act_read, read, 0);
        return;
    }
    if (read->is_done) {
        finish(read);
        free_read(read);
        return;
    }
    carry_out(read);
    read->is_done = true;
    world_plan(world, world_below(world, 10), act_read, read, 0);
}

static struct open_read *open_read(struct node *node, struct hf_stream *stream,
                                   struct hf_bytes channel)
{
    struct open_read *read = calloc(1, sizeof *read);
    read->sim = node->sim;
    read->node = node;
    read->stream = stream;
    read->channel = channel_of(channel);
    read->commands = node->commands;
    read->next = node->open;
    node->open = read;
    world_plan(&node->sim->world, world_below(&node->sim->world, 15), act_read, read, 0);
    return read;
}

static void effect_read(void *context, struct hf_stream *stream, const struct hf_core_read *wanted)
{
    struct node *node = context;
    node->sim->report->reads++;
    open_read(node, stream, wanted->channel)->read = *wanted;
}

static void effect_mend(void *context, struct hf_stream *stream, const struct hf_core_mend *wanted)
{
    struct open_read *read = open_read(context, stream, wanted->channel);
    read->is_mend = true;
    read->mend = *wanted;
    if (read->mend.page != NULL) {
        hf_page_ref(read->mend.page);
    }
}

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
            node->sim->report->lost++;
            tell(node->sim, "client %u is told that it lost its place", client->index);
            client_resubscribe_later(client);
        }
    }
}

static void effect_answer(void *context, void *owner, int result,
                          const struct hf_subscribe_result *answer)
{
    struct node *node = context;
    struct subscribe_request *request = owner;
    node->sim->open_subscribes--;
    if (request->client->session == request->session) {
        client_answered(request->client, result, answer);
    }
    free(request);
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

/* --- pub/sub -----------------------------------------------------------------------------------
 */

static void act_deliver(void *subject, uint64_t number)
{
    struct delivery *delivery = subject;
    struct node *node = delivery->node;
    (void)number;
    if (node->is_alive && node->is_connected && node->pubsub == delivery->pubsub) {
        char name = (char)('a' + delivery->channel);
        see(node, delivery->publication);
        hf_core_message(node->core, (struct hf_bytes){&name, 1}, delivery->publication,
                        node->sim->world.now_ms);
    }
    hf_publication_unref(delivery->publication);
    free(delivery);
}

static void send_message(struct node *node, unsigned channel, struct hf_publication *publication)
{
    struct world *world = &node->sim->world;
    struct delivery *delivery = malloc(sizeof *delivery);
    *delivery = (struct delivery){.node = node,
                                  .channel = channel,
                                  .pubsub = node->pubsub,
                                  .publication = hf_publication_ref(publication)};
    uint64_t at_ms = world->now_ms + world_below(world, world_likely(world, 5) ? 300 : 10);
    node->next_delivery_ms = at_ms > node->next_delivery_ms ? at_ms : node->next_delivery_ms;
    world_plan(world, node->next_delivery_ms - world->now_ms, act_deliver, delivery, 0);
}

static void store_publish(struct sim *sim, unsigned channel, struct hf_publication *publication)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = &sim->nodes[i];
        if (!node->is_alive || !node->is_connected || !node->is_listening[channel]) {
            continue;
        }
        if (!sim->is_quiet && world_likely(&sim->world, 2)) {
            tell(sim, "the message to node %u is dropped", i);
            continue;
        }
        send_message(node, channel, publication);
        if (!sim->is_quiet && world_likely(&sim->world, 3)) {
            send_message(node, channel, publication);
        }
    }
}

/* Through a node, as everybody must: one whose fence is closed lets nothing through. */
static void publish(struct sim *sim, unsigned channel)
{
    struct node *node = &sim->nodes[world_below(&sim->world, NODES)];
    if (!sim->is_store_up || !node->is_alive || !node->is_connected || node->core == NULL ||
        !hf_fence_is_open(&node->fence, sim->world.now_ms)) {
        return;
    }
    static const struct hf_stream_options options = {MODEL_HISTORY, 3600, 3600};
    char name = (char)('a' + channel);
    struct hf_publication *publication = model_publish(&sim->store, channel);
    sim->report->publications++;
    tell(sim, "published %" PRIu64 "-%" PRIu64 " #%" PRIu64 " on channel %u by node %u",
         publication->position.epoch, publication->position.offset, model_number(publication),
         channel, node->index);
    store_publish(sim, channel, publication);
    see(node, publication);
    hf_core_published(node->core, (struct hf_bytes){&name, 1}, &options, publication->position,
                      &publication->fields);
    hf_publication_unref(publication);
}

static void act_publish(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    (void)number;
    if (sim->is_quiet) {
        return;
    }
    if (sim->is_store_up) {
        unsigned channel = (unsigned)world_below(&sim->world, MODEL_CHANNELS);
        for (uint64_t burst = 1 + world_below(&sim->world, 4); burst > 0; burst--) {
            publish(sim, channel);
        }
    }
    world_plan(&sim->world, 5 + world_below(&sim->world, 80), act_publish, sim, 0);
}

/* --- the fence ---------------------------------------------------------------------------------
 */

static void keep_fence(struct node *node);

static void act_word(void *subject, uint64_t number)
{
    struct word *word = subject;
    struct node *node = word->node;
    (void)number;
    if (node->is_alive && node->is_connected && node->pubsub == word->pubsub) {
        hf_fence_heard(&node->fence, &word->word, node->sim->world.now_ms);
        keep_fence(node);
    }
    free(word);
}

static void say(struct sim *sim, const struct hf_fence_word *said)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = &sim->nodes[i];
        if (node->is_alive && node->is_connected) {
            struct word *word = malloc(sizeof *word);
            *word = (struct word){node, node->pubsub, *said};
            world_plan(&sim->world, 1 + world_below(&sim->world, 20), act_word, word, 0);
        }
    }
}

/* What the engine does at the end of each of its turns. */
static void keep_fence(struct node *node)
{
    struct sim *sim = node->sim;
    if (node->is_connected && hf_core_is_checked(node->core)) {
        hf_fence_checked(&node->fence);
    }
    struct hf_fence_word word;
    if (sim->is_store_up && hf_fence_says(&node->fence, &word, sim->world.now_ms)) {
        say(sim, &word);
    }
    hf_core_set_fence(node->core, !hf_fence_is_open(&node->fence, sim->world.now_ms),
                      sim->world.now_ms);
}

/* --- nodes -------------------------------------------------------------------------------------
 */

static void node_disconnect(struct node *node, bool commands_too)
{
    if (commands_too) {
        node->commands++;
    }
    node->pubsub++;
    memset(node->is_listening, 0, sizeof node->is_listening);
    if (node->is_connected) {
        node->is_connected = false;
        hf_core_disconnected(node->core);
        hf_fence_disconnected(&node->fence);
    }
}

static void act_connect(void *subject, uint64_t life)
{
    struct node *node = subject;
    struct sim *sim = node->sim;
    if (!node->is_alive || node->life != life || node->is_connected) {
        return;
    }
    if (!sim->is_store_up) {
        world_plan(&sim->world, 50, act_connect, node, life);
        return;
    }
    node->is_connected = true;
    tell(sim, "node %u connects", node->index);
    bool is_other = hf_fence_connected(&node->fence, sim->store_life, sim->world.now_ms);
    hf_core_set_fence(node->core, !hf_fence_is_open(&node->fence, sim->world.now_ms),
                      sim->world.now_ms);
    hf_core_connected(node->core, !is_other);
    keep_fence(node);
}

static void act_cut(void *subject, uint64_t commands_too)
{
    struct node *node = subject;
    struct sim *sim = node->sim;
    if (node->is_alive && !sim->is_quiet) {
        tell(sim, "node %u is cut off", node->index);
        node_disconnect(node, commands_too != 0);
        world_plan(&sim->world, world_below(&sim->world, 300), act_connect, node, node->life);
    }
}

static void act_tick(void *subject, uint64_t life)
{
    struct node *node = subject;
    if (node->is_alive && node->life == life) {
        hf_core_tick(node->core, node->sim->world.now_ms);
        keep_fence(node);
        world_plan(&node->sim->world, HF_CORE_TICK_MS, act_tick, node, life);
    }
}

static void node_start(struct node *node)
{
    static const struct hf_core_config config = {
        .linger_ms = 700,
        .lingering_streams_max = 2,
        .tail_publications_max = 8,
        .tail_bytes_max = 4096,
        .tails_bytes_max = 6144,
        .page_publications_max = 3,
        .page_bytes_max = 4096,
        .reads_in_flight_max = 2,
        .wait_ms = WAIT_MS,
        .witnesses_max = 16,
        .witnesses_bytes_max = 2048,
        .witness_ttl_ms = 20000,
    };
    struct sim *sim = node->sim;
    const struct hf_fence_config fence_config = {
        .self = ((uint64_t)node->index + 1) * 1000000 + node->life,
        .peer_timeout_ms = 3000,
        .hello_ms = 200,
        .heartbeat_ms = 500,
        .peers_max = 8,
    };
    node->core = hf_core_new(&config, &effects, node);
    if (node->core == NULL || !hf_fence_init(&node->fence, &fence_config)) {
        abort();
    }
    node->is_alive = true;
    node->life++;
    for (unsigned i = 0; i < MODEL_CHANNELS; i++) {
        node->watches[i] = (struct watch){.node = node, .channel = i};
    }
    world_plan(&sim->world, world_below(&sim->world, 100), act_connect, node, node->life);
    world_plan(&sim->world, HF_CORE_TICK_MS, act_tick, node, node->life);
}

/* Dead at once; its memory is given back as an engine's close would. */
static void node_stop(struct node *node)
{
    struct sim *sim = node->sim;
    node->is_alive = false;
    for (uint64_t number = 1; number <= sim->store.numbers; number++) {
        sim->store.seen_by[number] &= (uint8_t) ~(1u << node->index);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &sim->clients[i];
        if (client->node == node) {
            client_leave(client);
            world_plan(&sim->world, world_below(&sim->world, 500), act_client_arrive, client,
                       client->session);
        }
    }
    node_disconnect(node, true);
    while (node->open != NULL) {
        struct open_read *read = node->open;
        read->is_cancelled = true;
        hf_page_unref(read->result.page);
        read->result = (struct hf_core_read_result){.result = HF_ECLOSED};
        read->mend_result = HF_ECLOSED;
        finish(read);
    }
    hf_core_free(node->core);
    node->core = NULL;
    hf_fence_fini(&node->fence);
}

static void act_start(void *subject, uint64_t number)
{
    struct node *node = subject;
    (void)number;
    tell(node->sim, "node %u starts", node->index);
    node_start(node);
}

static void act_crash(void *subject, uint64_t number)
{
    struct node *node = subject;
    struct world *world = &node->sim->world;
    (void)number;
    if (node->is_alive && !node->sim->is_quiet) {
        tell(node->sim, "node %u crashes", node->index);
        node_stop(node);
        world_plan(world, world_below(world, 700), act_start, node, 0);
    }
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
            node_disconnect(&sim->nodes[i], true);
            world_plan(&sim->world, 10 + world_below(&sim->world, 300), act_connect, &sim->nodes[i],
                       sim->nodes[i].life);
        }
    }
    world_plan(&sim->world, world_below(&sim->world, 2500), act_store_up, sim, 0);
}

static void store_expire(struct sim *sim)
{
    unsigned channel = (unsigned)world_below(&sim->world, MODEL_CHANNELS);
    tell(sim, "the history of channel %u expires", channel);
    sim->store.streams[channel].count = 0;
}

static void store_go_back(struct sim *sim)
{
    tell(sim, "the store comes back as it was");
    sim->report->rollbacks++;
    store_down(sim);
    memcpy(sim->store.streams, sim->snapshot.streams, sizeof sim->store.streams);
}

static void store_lose_all(struct sim *sim)
{
    tell(sim, "the store loses everything");
    store_down(sim);
    memset(sim->store.streams, 0, sizeof sim->store.streams);
}

static void act_fault(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    struct world *world = &sim->world;
    (void)number;
    if (sim->is_quiet) {
        return;
    }
    struct node *node = &sim->nodes[world_below(world, NODES)];
    uint64_t kind = world_below(world, 100);
    if (kind < 35) {
        act_cut(node, 0);
    } else if (kind < 55) {
        act_cut(node, 1);
    } else if (kind < 70) {
        act_crash(node, 0);
    } else if (kind < 78) {
        store_expire(sim);
    } else if (kind < 85 && sim->is_store_up) {
        tell(sim, "the store goes away");
        store_down(sim);
    } else if (kind < 88 && sim->is_store_up) {
        store_lose_all(sim);
    } else if (kind < 94) {
        memcpy(sim->snapshot.streams, sim->store.streams, sizeof sim->store.streams);
    } else if (sim->options->with_rollbacks && sim->is_store_up) {
        store_go_back(sim);
    }
    world_plan(world, 50 + world_below(world, 500), act_fault, sim, 0);
}

static void act_restless(void *subject, uint64_t number)
{
    struct sim *sim = subject;
    (void)number;
    if (sim->is_quiet) {
        return;
    }
    act_client_leave(&sim->clients[world_below(&sim->world, CLIENTS)], 0);
    world_plan(&sim->world, 20 + world_below(&sim->world, 200), act_restless, sim, 0);
}

/* --- a history ---------------------------------------------------------------------------------
 */

static void start(struct sim *sim)
{
    for (unsigned i = 0; i < NODES; i++) {
        sim->nodes[i].sim = sim;
        sim->nodes[i].index = i;
        node_start(&sim->nodes[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &sim->clients[i];
        *client = (struct client){.sim = sim, .index = i, .channel = i % MODEL_CHANNELS};
        world_plan(&sim->world, world_below(&sim->world, 500), act_client_arrive, client, 0);
    }
    world_plan(&sim->world, 100, act_publish, sim, 0);
    world_plan(&sim->world, 300, act_restless, sim, 0);
    world_plan(&sim->world, 500, act_fault, sim, 0);
}

static void step_until(struct sim *sim, uint64_t until_ms)
{
    while (sim->report->violation == NULL && world_step(&sim->world, until_ms)) {
    }
}

static void check_end(struct sim *sim)
{
    if (sim->open_subscribes > 0) {
        violate(sim, "V4", "%" PRIu64 " subscribes are unanswered", sim->open_subscribes);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct client *client = &sim->clients[i];
        const struct model_stream *stream = &sim->store.streams[client->channel];
        if (client->state != CLIENT_LIVE) {
            violate(sim, "V3", "client %u is not live in the end (state %d)", i, client->state);
        } else if (!hf_position_equal(client->position, stream->top)) {
            violate(sim, "V3",
                    "client %u is at %" PRIu64 "-%" PRIu64 ", the stream at %" PRIu64 "-%" PRIu64,
                    i, client->position.epoch, client->position.offset, stream->top.epoch,
                    stream->top.offset);
        } else if (client->number != 0 && client->number != stream->newest) {
            if (sim->store.seen_by[client->number] != 0) {
                violate(sim, "V2", "client %u has another publication than the stream at its top",
                        i);
            }
        }
    }
}

static void stop(struct sim *sim)
{
    for (unsigned i = 0; i < NODES; i++) {
        const struct hf_core_counters *counters;
        if (sim->nodes[i].is_alive) {
            counters = hf_core_counters(sim->nodes[i].core);
            sim->report->healed += counters->streams_healed;
            sim->report->rotated += counters->epochs_rotated;
            node_stop(&sim->nodes[i]);
        }
    }
    sim->is_quiet = true;
    for (size_t i = 0; i < sim->world.count; i++) { /* what is still on its way */
        struct world_event *event = &sim->world.events[i];
        if (event->action == act_deliver) {
            act_deliver(event->subject, 0);
        } else if (event->action == act_read) {
            free_read(event->subject);
        } else if (event->action == act_word) {
            free(event->subject);
        }
    }
    world_fini(&sim->world);
    model_fini(&sim->store);
}

void sim_run(const struct sim_options *options, struct sim_report *report)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        abort();
    }
    memset(report, 0, sizeof *report);
    sim->options = options;
    sim->report = report;
    sim->is_store_up = true;
    sim->store_life = 1;
    world_init(&sim->world, options->seed);
    model_init(&sim->store);
    start(sim);
    step_until(sim, FAULTS_UNTIL_MS);
    sim->is_quiet = true;
    tell(sim, "from here on nothing goes wrong");
    step_until(sim, FAULTS_UNTIL_MS + 6000);
    for (unsigned i = 0; i < MODEL_CHANNELS && report->violation == NULL; i++) {
        uint64_t before = report->publications;
        while (report->publications == before) {
            publish(sim, i);
        }
    }
    step_until(sim, QUIET_UNTIL_MS);
    if (report->violation == NULL) {
        check_end(sim);
    }
    stop(sim);
    free(sim);
}
