/* Runs simulated histories: sim [--histories N] [--seed S] [--first] [--without-rollbacks]
 * [--blackouts | --without-blackouts] [--verbose]
 *
 * A violation, or an assertion that fails, prints its seed; `sim --seed S --verbose` tells that
 * history again, word for word. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

static const char usage[] =
    "usage: sim [--histories N] [--seed S] [--first] [--without-rollbacks]\n"
    "           [--blackouts | --without-blackouts] [--verbose]\n"
    "  --histories N        how many, with seeds S, S+1, ... (1000)\n"
    "  --seed S             the first seed (1); alone, only that history\n"
    "  --first              end with the first violation\n"
    "  --without-rollbacks  the store never comes back as it was before\n"
    "  --blackouts          in every history all nodes may crash when the store loses something,\n"
    "                       and one may start then (else in those with an odd seed)\n"
    "  --without-blackouts  ... in none\n"
    "  --verbose            tell what happens\n";

static volatile uint64_t present_seed;

/* An assertion of the core: the process is on its way out, so printing may fail, but must not keep
 * it. */
static void on_abort(int signal_number)
{
    (void)signal_number;
    printf("seed %" PRIu64 ": aborted\n", present_seed);
    fflush(stdout);
}

static void add(struct sim_report *sum, const struct sim_report *report)
{
    sum->deliveries += report->deliveries;
    sum->recovered += report->recovered;
    sum->refused += report->refused;
    sum->lost += report->lost;
    sum->publications += report->publications;
    sum->reads += report->reads;
    sum->rollbacks += report->rollbacks;
    sum->healed += report->healed;
    sum->rotated += report->rotated;
    sum->unwitnessed += report->unwitnessed;
}

enum blackouts { BLACKOUTS_HALF, BLACKOUTS_ALWAYS, BLACKOUTS_NEVER };

static int run(struct sim_options options, enum blackouts blackouts, uint64_t histories,
               uint64_t violations_max)
{
    struct sim_report sum = {0};
    time_t started = time(NULL);
    uint64_t failed = 0;
    for (uint64_t i = 0; i < histories; i++, options.seed++) {
        struct sim_report report;
        present_seed = options.seed;
        options.with_blackouts =
            blackouts == BLACKOUTS_HALF ? options.seed % 2 == 1 : blackouts == BLACKOUTS_ALWAYS;
        sim_run(&options, &report);
        add(&sum, &report);
        if (report.violation != NULL) {
            printf("seed %" PRIu64 ": %s: %s\n", options.seed, report.violation, report.detail);
            if (++failed == violations_max) {
                break;
            }
        }
    }
    printf("%" PRIu64 " histories in %.0f s: %" PRIu64 " publications, %" PRIu64
           " deliveries, %" PRIu64 " recovered, %" PRIu64 " refused, %" PRIu64 " lost, %" PRIu64
           " reads, %" PRIu64 " rollbacks (%" PRIu64 " healed, %" PRIu64 " new epochs), %" PRIu64
           " failed\n",
           histories, difftime(time(NULL), started), sum.publications, sum.deliveries,
           sum.recovered, sum.refused, sum.lost, sum.reads, sum.rollbacks, sum.healed, sum.rotated,
           failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"histories", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"first", no_argument, NULL, 'f'},
        {"without-rollbacks", no_argument, NULL, 'w'},
        {"blackouts", no_argument, NULL, 'b'},
        {"without-blackouts", no_argument, NULL, 'B'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct sim_options options = {.seed = 1, .with_rollbacks = true};
    enum blackouts blackouts = BLACKOUTS_HALF;
    uint64_t histories = 0, violations_max = 5;
    bool has_seed = false;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'n':
            histories = strtoull(optarg, NULL, 10);
            break;
        case 's':
            options.seed = strtoull(optarg, NULL, 10);
            has_seed = true;
            break;
        case 'f':
            violations_max = 1;
            break;
        case 'w':
            options.with_rollbacks = false;
            break;
        case 'b':
            blackouts = BLACKOUTS_ALWAYS;
            break;
        case 'B':
            blackouts = BLACKOUTS_NEVER;
            break;
        case 'v':
            options.is_verbose = true;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : 2;
        }
    }
    signal(SIGABRT, on_abort);
    return run(options, blackouts, histories > 0 ? histories : has_seed ? 1 : 1000, violations_max);
}
