/* Story: what one simulated history is made of. Private to tests/sim; see sim.h for what it is.
 *
 *   client.c    clients, and what is checked of all that they see
 *   node.c      a node's life: its connection, its fence, pauses and crashes
 *   requests.c  what a node's core asks of the store: reads, mends, publishes
 *   pubsub.c    what the store sends to nodes: messages, confirmations, words of other nodes
 *   faults.c    what goes wrong, and how much of it
 *   sim.c       a history from its beginning to its end
 *
 * A node is at one of three distances from the store: the store's end of its connections (numbered
 * by `pubsub` and `commands`, ended by a cut at once), its own end (`believed`, ended when it
 * notices), and its process, which may be paused: what arrives meanwhile waits for it. */
#ifndef HF_SIM_STORY_H
#define HF_SIM_STORY_H

#include "core/core.h"
#include "core/fence.h"
#include "model_store.h"
#include "sim.h"
#include "world.h"

#define NODES   3
#define CLIENTS 12

#define READS_IN_FLIGHT_MAX 2

/* Nodes wait so long for a silent one; whoever is away for longer counts as dead. */
#define PEER_TIMEOUT_MS 3000
/* A node that has not heard itself for so long closes its fence. */
#define DEAF_MS 2000
/* So long after it was taken for dead a node may still find that it missed something. */
#define GHOST_MS 10000
#define WAIT_MS  1500 /* for an answer */

/* Where what reaches a node has to queue while it is paused. */
enum lane { LANE_PUBSUB, LANE_COMMANDS, LANE_CLIENTS, LANE_TIMERS, LANES };

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
    struct hf_fence fence;
    bool is_connected;                  /* the core was told so */
    uint64_t pubsub;                    /* counts pub/sub connections */
    uint64_t commands;                  /* counts command connections */
    uint64_t believed;                  /* the pub/sub connection that the node takes for its own */
    uint64_t commands_up_ms;            /* broken until then */
    uint64_t listens[MODEL_CHANNELS];   /* counts listens and unlistens */
    bool is_listening[MODEL_CHANNELS];  /* as the core wants it */
    bool is_subscribed[MODEL_CHANNELS]; /* at the store */
    uint64_t next_upstream_ms;          /* a connection keeps its order ... */
    uint64_t next_delivery_ms;          /* ... both ways */
    uint64_t paused_until_ms[LANES];
    uint64_t pauses;   /* counts them */
    bool is_open;      /* its fence, for the story */
    bool has_admitted; /* the store knows that the fence was open */
    uint64_t admitted; /* the life into which its publishes go (store.h, S7) */
    bool is_ghost;     /* taken for dead by the others: what it hears of a life that is over is not
                          known to a living node */
    uint64_t ghost_ms; /* until when it was one last */
    struct watch watches[MODEL_CHANNELS];
    struct open_read *open;
};

enum client_state { CLIENT_OFFLINE, CLIENT_SUBSCRIBING, CLIENT_PAGING, CLIENT_LIVE };

struct place {
    bool is_known;
    struct hf_position position; /* of the last publication that was processed */
    uint64_t number;             /* that publication, 0: not known */
};

struct client {
    struct sim *sim;
    unsigned index, channel;
    enum client_state state;
    struct node *node; /* unless OFFLINE */
    uint64_t session;  /* counts connections */
    struct place place;
    struct place noted; /* an old one that it may come back with */
    bool has_heard;     /* its place is from a publication that it got in this session */
    bool was_cut_off;   /* since it got there, or asked: the store lacked something behind it */
};

/* How bad a history is: drawn from its seed, so that each has its own mixture. */
struct weather {
    unsigned drops_percent;   /* messages that vanish on a connection that goes on */
    unsigned doubles_percent; /* messages that come twice */
    unsigned slow_percent;    /* of everything that travels */
    uint64_t slow_ms;         /* ... up to so long */
    unsigned deaf_percent;    /* of cuts: noticed late */
    uint64_t publish_gap_ms, burst_max, fault_gap_ms, restless_ms, away_ms, downtime_ms;
    uint64_t rounds;
};

struct sim {
    struct world world;
    struct model_store store;
    struct model_stream snapshot[MODEL_CHANNELS]; /* what a restart may bring back */
    struct model_stream replica[MODEL_CHANNELS];  /* what a fail-over promotes */
    bool is_store_up;
    uint64_t store_life; /* counts its processes */
    /* the lives that were admitted (the first one without that), as the store, its snapshot and its
     * replica have them */
    struct hf_lives noted, snapshot_noted, replica_noted;
    struct node nodes[NODES];
    struct client clients[CLIENTS];
    uint64_t open_subscribes, open_publishes;
    uint64_t acknowledged[MODEL_CHANNELS]; /* counts publishes */
    struct weather weather;
    struct hf_core_config core_config;
    unsigned fault_weights[16];
    const struct sim_options *options;
    struct sim_report *report;
    bool is_quiet;
};

/* --- sim.c ----------------------------------------------------------------------------------- */

void tell(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void violate(struct sim *sim, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* How long something is under way: up to `usual_ms`, or now and then much longer. */
uint64_t travel_ms(struct sim *sim, uint64_t usual_ms);

/* --- client.c -------------------------------------------------------------------------------- */

void clients_start(struct sim *sim);
void client_process(struct client *client, const struct hf_publication *publication);
void client_lost(struct client *client);
void client_leave(struct client *client);
/* It leaves, and comes back somewhere within `away_ms`. */
void client_move(struct client *client, uint64_t away_ms);
/* The store's stream of this channel is another one than before. */
void clients_note_change(struct sim *sim, unsigned channel);
/* Whether all are live, and where their stream is. */
bool clients_are_settled(const struct sim *sim, bool at_top);
void clients_check_end(struct sim *sim, bool at_top);
void effect_answer(void *context, void *owner, int result,
                   const struct hf_subscribe_result *answer);

/* --- node.c ---------------------------------------------------------------------------------- */

extern const struct hf_stream_options stream_options;
struct hf_bytes channel_name(unsigned channel);

void node_start(struct node *node);
void node_stop(struct node *node);
/* The store's end of the connection breaks; the node notices at once or after a while. */
void node_cut(struct node *node, bool commands_too);
void node_pause(struct node *node, uint64_t duration_ms);
/* What the engine does before anything that may answer: the node may have been stopped. */
void node_keep_time(struct node *node);
/* The node's turn ends: what the engine does then about the fence. */
void node_end_turn(struct node *node);
/* Whether the node is paused: `action` is then planned again for when it is not. */
bool node_postpones(struct node *node, enum lane lane, world_action *action, void *subject,
                    uint64_t number);
/* Whether all live, are connected, and have opened their fences. */
bool nodes_are_settled(struct sim *sim);
void act_start(void *node, uint64_t number);
void node_sees(struct node *node, const struct hf_publication *publication);

/* --- requests.c ------------------------------------------------------------------------------ */

void effect_read(void *context, struct hf_stream *stream, const struct hf_core_read *wanted);
void effect_mend(void *context, struct hf_stream *stream, const struct hf_core_mend *wanted);
/* Through some node, as everybody must; one whose fence is closed lets nothing through. */
void publish(struct sim *sim, unsigned channel);
void requests_cancel(struct node *node);
/* A store that has no note of a life gets one from the first commands that reach it. */
void requests_note_life(struct sim *sim);
/* Frees what an event that will not happen any more would have freed. */
void requests_forget(const struct world_event *event);

/* --- pubsub.c -------------------------------------------------------------------------------- */

void effect_listen(void *context, struct hf_bytes channel);
void effect_unlisten(void *context, struct hf_bytes channel);
void pubsub_send(struct sim *sim, unsigned channel, struct hf_publication *publication);
void pubsub_say(struct sim *sim, const struct hf_fence_word *word);
void pubsub_forget(const struct world_event *event);

/* --- faults.c -------------------------------------------------------------------------------- */

void faults_start(struct sim *sim); /* draws the weather */
void faults_plan(struct sim *sim);  /* until sim->is_quiet */

#endif
