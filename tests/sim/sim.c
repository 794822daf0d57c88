#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "story.h"

#define FAULTS_MS 2500  /* of a round */
#define CALM_MS   20000 /* by then all must be well again */
#define GLANCE_MS 100

/* --- telling -----------------------------------------------------------------------------------
 */

void tell(struct sim *sim, const char *format, ...)
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

void violate(struct sim *sim, const char *rule, const char *format, ...)
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

uint64_t travel_ms(struct sim *sim, uint64_t usual_ms)
{
    bool is_slow = world_likely(&sim->world, sim->weather.slow_percent);
    return world_below(&sim->world, is_slow ? sim->weather.slow_ms : usual_ms);
}

/* --- a history ---------------------------------------------------------------------------------
 */

static void step_until(struct sim *sim, uint64_t until_ms)
{
    while (sim->report->violation == NULL && world_step(&sim->world, until_ms)) {
    }
}

static uint64_t forgotten(struct sim *sim)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < MODEL_CHANNELS && number == 0; i++) {
        number = model_forgotten(&sim->store, i);
    }
    return number;
}

static bool is_well(struct sim *sim, bool at_top)
{
    return sim->open_subscribes == 0 && sim->open_publishes == 0 && nodes_are_settled(sim) &&
           clients_are_settled(sim, at_top) && forgotten(sim) == 0;
}

/* Until all clients are live, and with `at_top` have everything. */
static void calm_down(struct sim *sim, bool at_top)
{
    uint64_t end_ms = sim->world.now_ms + CALM_MS;
    do {
        step_until(sim, sim->world.now_ms + GLANCE_MS);
    } while (sim->report->violation == NULL && sim->world.now_ms < end_ms && !is_well(sim, at_top));
    if (!nodes_are_settled(sim)) {
        violate(sim, "V3", "not every node has opened its fence when all is quiet");
    }
    if (sim->open_subscribes > 0) {
        violate(sim, "V4", "%" PRIu64 " subscribes are unanswered", sim->open_subscribes);
    }
    clients_check_end(sim, at_top);
    if (forgotten(sim) != 0) {
        violate(sim, "V7", "a node has seen #%" PRIu64 ", which its stream does not go through",
                forgotten(sim));
    }
}

/* One more publication everywhere, acknowledged: it shows who was left behind. */
static void publish_everywhere(struct sim *sim)
{
    for (unsigned i = 0; i < MODEL_CHANNELS; i++) {
        uint64_t before = sim->acknowledged[i];
        uint64_t end_ms = sim->world.now_ms + CALM_MS;
        while (sim->acknowledged[i] == before && sim->report->violation == NULL) {
            publish(sim, i);
            step_until(sim, sim->world.now_ms + GLANCE_MS);
            if (sim->world.now_ms >= end_ms) {
                violate(sim, "V3", "nobody can publish when all is quiet");
            }
        }
    }
}

/* Messages that vanished are missed with the next one; without such, nothing may be missing. */
static void run_round(struct sim *sim)
{
    sim->is_quiet = false;
    faults_plan(sim);
    step_until(sim, sim->world.now_ms + FAULTS_MS);
    sim->is_quiet = true;
    tell(sim, "from here on nothing goes wrong");
    calm_down(sim, sim->weather.drops_percent == 0);
    publish_everywhere(sim);
    calm_down(sim, true);
}

static void start(struct sim *sim)
{
    faults_start(sim);
    for (unsigned i = 0; i < NODES; i++) {
        sim->nodes[i].sim = sim;
        sim->nodes[i].index = i;
        node_start(&sim->nodes[i]);
    }
    clients_start(sim);
}

static void stop(struct sim *sim)
{
    sim->is_quiet = true;
    for (unsigned i = 0; i < NODES; i++) {
        if (sim->nodes[i].is_alive) {
            const struct hf_core_counters *counters = hf_core_counters(sim->nodes[i].core);
            sim->report->healed += counters->streams_healed;
            sim->report->rotated += counters->epochs_rotated;
            node_stop(&sim->nodes[i]);
        }
    }
    for (size_t i = 0; i < sim->world.count; i++) { /* what is still on its way */
        pubsub_forget(&sim->world.events[i]);
        requests_forget(&sim->world.events[i]);
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
    for (uint64_t i = 0; i < sim->weather.rounds && report->violation == NULL; i++) {
        run_round(sim);
    }
    stop(sim);
    free(sim);
}
