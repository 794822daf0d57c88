/* Sim: nodes, clients and publishers around one modelled store, in one simulated history.
 *
 * Each node runs the real core (engine/core). Around it everything goes wrong on a seed: messages
 * to nodes are delayed, dropped, doubled; connections break; nodes crash and return; the store
 * loses entries or everything, goes away, or comes back as it was some time ago.
 *
 * What a client sees is checked from the outside at every step:
 *   V1  offsets of one epoch come one after the other, without gap or repeat
 *   V2  each publication was written behind the one that the client had last (so `recovered` and
 *       live delivery follow one line, even when offsets were given twice), as long as a node
 *       lives that has seen what the store lost
 *   V3  when all is quiet again, every client is at the top of its stream: nobody is left behind
 *   V4  every subscribe is answered */
#ifndef HF_SIM_SIM_H
#define HF_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_options {
    uint64_t seed;
    bool with_rollbacks; /* the store may come back as it was before */
    bool is_verbose;     /* tell the story */
};

struct sim_report {
    const char *violation; /* NULL: the history was fine */
    char detail[256];
    uint64_t deliveries, recovered, refused, lost, publications, reads, rollbacks, healed, rotated;
    uint64_t unwitnessed; /* V2 broken when no node lived that could have known */
};

void sim_run(const struct sim_options *options, struct sim_report *report);

#endif
