#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "payload.h"

static const char usage[] =
    "usage: holdfast-bench SCENARIO [options]\n"
    "Loads a running server and says what that cost. What clients receive is checked: a wrong,\n"
    "repeated or missing publication ends the run with exit code 1.\n"
    "\n"
    "scenarios (and what they take unless told otherwise)\n"
    "  idle      clients that only are there: memory and CPU, pings included (10000 clients, a\n"
    "            channel each, 50 s)\n"
    "  connect   how fast clients connect and subscribe (10000 clients, a channel each)\n"
    "  fanout    one channel, many subscribers (1000 clients)\n"
    "  channels  many channels with few subscribers each (5000 clients, 1000 channels)\n"
    "  publish   publications with history (no clients, 1 channel)\n"
    "  storm     all clients are cut off, miss publications, come back and recover them\n"
    "            (10000 clients; 1 channel, or as many as clients: personal channels)\n"
    "\n"
    "the server\n"
    "  --address HOST:PORT    where it listens (127.0.0.1:8000)\n"
    "  --back HOST:PORT       storm: where clients come back to (--address)\n"
    "  --wire NAME            json, protobuf, nchan or socketio (json)\n"
    "  --path PATH            of the WebSocket; %s stands for the channel (the wire's usual one)\n"
    "  --publish-by WAY       api: POST of {\"channel\",\"data\"}; raw: POST of the payload;\n"
    "                         client: over WebSocket (api)\n"
    "  --publish-path PATH    of api and raw (/api/publish); %s stands for the channel\n"
    "  --key KEY              of the API (bench)\n"
    "  --pid PID[,PID...]     its processes: their CPU and memory are measured\n"
    "  --redis HOST:PORT      its Redis: CPU, memory and commands are measured\n"
    "\n"
    "the load\n"
    "  --clients N            WebSocket connections; each subscribes to channel (i modulo "
    "channels)\n"
    "  --channels N           channels\n"
    "  --channel FORMAT       their names, with one %u for the number (\"bench:%u\"; "
    "\"stream:%u\"\n"
    "                         for publish and storm)\n"
    "  --stream, --no-stream  whether channels have history: positions are checked then (as the\n"
    "                         scenario)\n"
    "  --publishers N         connections that publish (16; no more than channels if there are\n"
    "                         several)\n"
    "  --in-flight N          publications that each may have unacknowledged, over WebSocket (32)\n"
    "  --payload BYTES        of one publication, from 88 on (128)\n"
    "  --rate N               publications per second (0: as fast as can be)\n"
    "  --window N             publications that may be on their way to subscribers (64; 1024 for\n"
    "                         channels; any number, 0, for storm)\n"
    "  --seconds S            how long (10)\n"
    "  --publications N       stop after so many (0: none)\n"
    "  --warm-up S            the same load before measuring; storm: the pause before it (1)\n"
    "  --missed N             storm: publications that each client misses (10)\n"
    "  --opening N            connections being made at one time (512)\n"
    "  --threads N            for the clients (1)\n"
    "  --timeout S            for a step to end (60)\n"
    "\n"
    "the output\n"
    "  --json FILE            append the figures as a line of JSON\n"
    "  --label TEXT           put into that line (the wire's name)\n"
    "  --quiet                no progress\n"
    "  --help                 this\n"
    "\n"
    "Example, against a node of scripts/run (chat: has history there):\n"
    "  holdfast-bench fanout --channel chat:%u --stream --key $(cat .run/api_key) --pid PID\n";

enum option_code {
    ADDRESS = 256,
    BACK,
    WIRE,
    PATH,
    PUBLISH_BY,
    PUBLISH_PATH,
    KEY,
    PID,
    REDIS,
    CLIENTS,
    CHANNELS,
    CHANNEL,
    STREAM,
    NO_STREAM,
    PUBLISHERS,
    IN_FLIGHT,
    PAYLOAD,
    RATE,
    WINDOW,
    SECONDS,
    PUBLICATIONS,
    WARM_UP,
    MISSED,
    OPENING,
    THREADS,
    TIMEOUT,
    JSON,
    LABEL,
    QUIET,
    HELP,
};

static const struct option long_options[] = {
    {"address", required_argument, NULL, ADDRESS},
    {"back", required_argument, NULL, BACK},
    {"wire", required_argument, NULL, WIRE},
    {"path", required_argument, NULL, PATH},
    {"publish-by", required_argument, NULL, PUBLISH_BY},
    {"publish-path", required_argument, NULL, PUBLISH_PATH},
    {"key", required_argument, NULL, KEY},
    {"pid", required_argument, NULL, PID},
    {"redis", required_argument, NULL, REDIS},
    {"clients", required_argument, NULL, CLIENTS},
    {"channels", required_argument, NULL, CHANNELS},
    {"channel", required_argument, NULL, CHANNEL},
    {"stream", no_argument, NULL, STREAM},
    {"no-stream", no_argument, NULL, NO_STREAM},
    {"publishers", required_argument, NULL, PUBLISHERS},
    {"in-flight", required_argument, NULL, IN_FLIGHT},
    {"payload", required_argument, NULL, PAYLOAD},
    {"rate", required_argument, NULL, RATE},
    {"window", required_argument, NULL, WINDOW},
    {"seconds", required_argument, NULL, SECONDS},
    {"publications", required_argument, NULL, PUBLICATIONS},
    {"warm-up", required_argument, NULL, WARM_UP},
    {"missed", required_argument, NULL, MISSED},
    {"opening", required_argument, NULL, OPENING},
    {"threads", required_argument, NULL, THREADS},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"json", required_argument, NULL, JSON},
    {"label", required_argument, NULL, LABEL},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},
    {0},
};

static _Noreturn void refuse(const char *what, const char *value)
{
    fprintf(stderr, "holdfast-bench: %s: '%s' (holdfast-bench --help)\n", what, value);
    exit(2);
}

/* Sets what depends on the scenario. */
static void set_scenario(struct hf_bench_options *options, const char *name)
{
    const struct hf_scenario *scenario = hf_scenarios;
    while (scenario->name != NULL && strcmp(scenario->name, name) != 0) {
        scenario++;
    }
    if (scenario->name == NULL) {
        refuse("no such scenario", name);
    }
    bool is_publish = strcmp(name, "publish") == 0, is_storm = strcmp(name, "storm") == 0;
    bool is_fanout = strcmp(name, "fanout") == 0, is_channels = strcmp(name, "channels") == 0;
    options->scenario = scenario;
    options->is_stream = is_publish || is_storm;
    options->channel = options->is_stream ? "stream:%u" : "bench:%u";
    options->clients = is_fanout ? 1000 : is_channels ? 5000 : is_publish ? 0 : 10000;
    options->channels = is_channels ? 1000 : is_fanout || is_publish || is_storm ? 1 : 0;
    options->window = is_storm ? 0 : is_channels ? 1024 : 64;
    options->seconds = strcmp(name, "idle") == 0 ? 50 : 10;
}

static double number(const char *name, const char *text, double min, double max)
{
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text || !(value >= min && value <= max)) {
        fprintf(stderr, "holdfast-bench: --%s takes a number from %g to %g, not '%s'\n", name, min,
                max, text);
        exit(2);
    }
    return value;
}

static uint32_t count(const char *name, const char *text, uint32_t min, uint32_t max)
{
    return (uint32_t)number(name, text, min, max);
}

static struct sockaddr_in address_of(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(text, ':');
    char *end;
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        refuse("not HOST:PORT", text);
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port == 0 || port > 65535 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        refuse("not an IPv4 address and a port", text);
    }
    if (ntohl(address.sin_addr.s_addr) >> 24 != 127) {
        refuse("the load generator only speaks to loopback", text);
    }
    address.sin_port = htons((uint16_t)port);
    return address;
}

static void take_pids(struct hf_bench_options *options, const char *text)
{
    char *next = (char *)(uintptr_t)text;
    while (*next != '\0') {
        long pid = strtol(next, &next, 10);
        if (pid <= 0 || (*next != ',' && *next != '\0') || options->pid_count == HF_PIDS_MAX) {
            refuse("not a list of processes", text);
        }
        options->pids[options->pid_count++] = (pid_t)pid;
        next += *next == ',';
    }
}

static enum hf_publisher_way way_of(const char *text)
{
    static const char *const ways[] = {
        [HF_PUBLISH_API] = "api", [HF_PUBLISH_RAW] = "raw", [HF_PUBLISH_CLIENT] = "client"};
    for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i], text) == 0) {
            return (enum hf_publisher_way)i;
        }
    }
    refuse("no way of publishing", text);
}

static const char *format_of(const char *text)
{
    const char *hole = strchr(text, '%');
    if (hole == NULL || hole[1] != 'u' || strchr(hole + 1, '%') != NULL || strlen(text) > 100 ||
        strpbrk(text, "\"\\ ") != NULL) {
        refuse("--channel takes a name with one %u in it", text);
    }
    return text;
}

static void take_server_option(struct hf_bench_options *options, int code, const char *value)
{
    switch (code) {
    case ADDRESS:
        options->address = address_of(value);
        break;
    case BACK:
        options->back_address = address_of(value);
        break;
    case WIRE:
        options->wire = hf_wire_of(value);
        if (options->wire == NULL) {
            refuse("no such wire", value);
        }
        break;
    case PATH:
        options->path = value;
        break;
    case PUBLISH_BY:
        options->publish_by = way_of(value);
        break;
    case PUBLISH_PATH:
        options->publish_path = value;
        break;
    case KEY:
        options->key = value;
        break;
    case PID:
        take_pids(options, value);
        break;
    case REDIS:
        options->redis = value;
        break;
    default:
        break;
    }
}

static void take_load_option(struct hf_bench_options *options, int code, const char *name,
                             const char *value)
{
    switch (code) {
    case CLIENTS:
        options->clients = count(name, value, 0, 1000000);
        break;
    case CHANNELS:
        options->channels = count(name, value, 1, 1000000);
        break;
    case CHANNEL:
        options->channel = format_of(value);
        break;
    case STREAM:
    case NO_STREAM:
        options->is_stream = code == STREAM;
        break;
    case PUBLISHERS:
        options->publishers = count(name, value, 1, 10000);
        break;
    case IN_FLIGHT:
        options->in_flight = count(name, value, 1, 10000);
        break;
    case PAYLOAD:
        options->payload_size = count(name, value, HF_PAYLOAD_MIN, HF_PAYLOAD_MAX);
        break;
    case RATE:
        options->rate = number(name, value, 0, 1e7);
        break;
    case WINDOW:
        options->window = count(name, value, 0, 1000000);
        break;
    case MISSED:
        options->missed = count(name, value, 0, 100000);
        break;
    case OPENING:
        options->opening_max = count(name, value, 1, 1000000);
        break;
    case THREADS:
        options->threads = count(name, value, 1, 64);
        break;
    default:
        break;
    }
}

static void take_run_option(struct hf_bench_options *options, int code, const char *name,
                            const char *value)
{
    switch (code) {
    case SECONDS:
        options->seconds = number(name, value, 0.1, 86400);
        break;
    case PUBLICATIONS:
        options->publications = (uint64_t)number(name, value, 0, 1e12);
        break;
    case WARM_UP:
        options->warm_up_seconds = number(name, value, 0, 3600);
        break;
    case TIMEOUT:
        options->timeout_seconds = number(name, value, 1, 86400);
        break;
    case JSON:
        options->json = value;
        break;
    case LABEL:
        options->label = value;
        break;
    case QUIET:
        options->is_quiet = true;
        break;
    default:
        break;
    }
}

/* What follows from other options, and what cannot be together. */
static void complete(struct hf_bench_options *options)
{
    bool needs_clients = options->scenario->run != hf_scenario_load;
    if (options->clients == 0 && needs_clients) {
        refuse("the scenario needs --clients", options->scenario->name);
    }
    if (options->channels == 0) {
        options->channels = options->clients;
    }
    if (options->clients % options->channels != 0) {
        refuse("--clients must be a multiple of --channels", options->scenario->name);
    }
    if (options->channels > 1 && options->publishers > options->channels) {
        options->publishers = options->channels;
    }
    if (options->publications % options->channels != 0) {
        refuse("--publications must be a multiple of --channels", options->scenario->name);
    }
    if (options->back_address.sin_port == 0) {
        options->back_address = options->address;
    }
    if (options->label == NULL) {
        options->label = options->wire->name;
    }
    if (options->publish_by == HF_PUBLISH_CLIENT && options->wire->publish == NULL) {
        refuse("clients of this wire cannot publish", options->wire->name);
    }
}

void hf_bench_parse(int argc, char **argv, struct hf_bench_options *options)
{
    int code, index;
    *options = (struct hf_bench_options){
        .address = address_of("127.0.0.1:8000"),
        .wire = &hf_wire_json,
        .publish_path = "/api/publish",
        .key = "bench",
        .threads = 1,
        .opening_max = 512,
        .publishers = 16,
        .in_flight = 32,
        .payload_size = 128,
        .warm_up_seconds = 1,
        .timeout_seconds = 60,
        .missed = 10,
    };
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    }
    if (argc < 2 || argv[1][0] == '-') {
        refuse("which scenario", argc < 2 ? "" : argv[1]);
    }
    set_scenario(options, argv[1]);
    optind = 2;
    while ((code = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (code == HELP) {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        }
        if (code == '?') {
            exit(2);
        }
        take_server_option(options, code, optarg);
        take_load_option(options, code, long_options[index].name, optarg);
        take_run_option(options, code, long_options[index].name, optarg);
    }
    if (optind < argc) {
        refuse("what is this", argv[optind]);
    }
    complete(options);
}
