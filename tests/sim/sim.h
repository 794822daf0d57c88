/* Sim: nodes, clients and publishers around one modelled store, in one simulated history.
 *
 * Each node runs the real core and fence (engine/core). Around them everything goes wrong on a
 * seed: messages are delayed, dropped, doubled; reads and acknowledgements are slow; connections
 * break, and nodes notice late; nodes are stopped and go on, or crash and return; the store loses
 * entries or everything, goes away, comes back as it was some time ago, or is replaced by a replica
 * that lagged. How much of each there is, the seed says too. After some seconds all is well for as
 * long as it takes, then it begins again.
 *
 * What clients and store see is checked from the outside:
 *   V1  offsets of one epoch come one after the other, without gap or repeat
 *   V2  each publication was written behind the one that the client had last (so `recovered` and
 *       live delivery follow one line, even when offsets were given twice), as long as a node
 *       lives that has seen what the store lost; what was lost when there was none, and comes back
 *       with the store's old data, counts from when all nodes can have noticed that
 *   V3  when all is well, every client comes to the top of its stream: nobody is left behind;
 *       unless messages vanished, without any further publication
 *   V4  every subscribe is answered, in time
 *   V5  who is refused, or told of a loss, lacks something that the store does not have, or did not
 *       have for a moment since it asked
 *   V6  a node has no more reads open than it may, and one per stream
 *   V7  when all is well, a stream goes through all that a living node has seen of its epoch and
 *       behind which it still has what follows: who has anything older is refused anyway, whichever
 *       line it was on, so that nothing is said falsely
 *   V8  a stream is mended only when it has lost something, or its store has forgotten a life and
 *       so may have, or by a node that the others took for dead meanwhile
 *   V9  nobody is told `recovered` on a line that the stream has left, as far as V2 goes, by a node
 *       that knows the present life of the store, or if it was long ago by any node */
#ifndef HF_SIM_SIM_H
#define HF_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_options {
    uint64_t seed;
    bool with_rollbacks; /* the store may come back as it was before */
    bool with_blackouts; /* all nodes may crash when it does, so that nobody is left who knows; or
                            one is cut off while another one starts */
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
