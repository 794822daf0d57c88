/* follow ADDRESS CHANNEL [EPOCH OFFSET]: prints what a channel got since a position, says hello to
 * it, and ends when that has come back.  cc follow.c $(pkg-config --cflags --libs holdfast) */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/engine.h>

static const struct hf_stream_options options = {100, 600, 3600};
static struct hf_publish_params hello = {.fields = {.data = {"hello", 5}}};
static struct hf_port *port;
static struct hf_watch *watch;
static uint64_t newest, greeting; /* offsets: printed last, and of our hello */

static void on_lost(void *context, int error) /* to go on, one would subscribe again */
{
    (void)context;
    fprintf(stderr, "%s\n", hf_error_text(error));
    exit(EXIT_FAILURE);
}

static void on_publication(void *context, struct hf_publication *publication)
{
    (void)context;
    newest = publication->position.offset;
    printf("%" PRIu64 " %.*s\n", newest, (int)publication->fields.data.len,
           publication->fields.data.data);
}

static void on_published(void *context, int error, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    (void)outcome;
    greeting = position.offset;
    if (error != HF_OK)
        on_lost(context, error);
}

static void on_subscribed(void *context, int error, const struct hf_subscribe_result *answer)
{
    if (error != HF_OK)
        on_lost(context, error);
    printf("%srecovered in epoch %" PRIu64 "\n", answer->recovered ? "" : "not ",
           answer->position.epoch);
    for (uint32_t i = 0; answer->page != NULL && i < answer->page->count; i++)
        on_publication(NULL, answer->page->items[i]);
    const struct hf_subscribe_params next = {
        .recover = true, .since = answer->position, .recovery_limit = HF_LIMIT_NONE};
    error = answer->live ? hf_publish(port, &hello, on_published, NULL)
                         : hf_subscribe(watch, &next, true, on_subscribed, NULL); /* next page */
    if (error != HF_OK)
        on_lost(context, error);
}

int main(int argc, char **argv)
{
    char reason[160];
    struct hf_engine *engine;
    if (argc != 3 && argc != 5)
        return EXIT_FAILURE;
    struct hf_engine_config config = {.store = HF_STORE_REDIS, .redis = {.address = argv[1]}};
    struct hf_subscribe_params from = {.recover = argc == 5, .recovery_limit = HF_LIMIT_NONE};
    if (from.recover)
        from.since = (struct hf_position){strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10)};
    hello.channel = (struct hf_bytes){argv[2], strlen(argv[2])};
    hello.options = options;
    const struct hf_port_callbacks callbacks = {.on_publication = on_publication,
                                                .on_lost = on_lost};
    if (hf_engine_open(&config, &engine, reason, sizeof reason) != HF_OK ||
        (port = hf_port_open(engine, &callbacks)) == NULL ||
        (watch = hf_watch_open(port, hello.channel, &options, NULL)) == NULL ||
        hf_subscribe(watch, &from, false, on_subscribed, NULL) != HF_OK)
        return EXIT_FAILURE;
    while (greeting == 0 || newest < greeting) {
        hf_port_flush(port);
        poll(&(struct pollfd){.fd = hf_port_fd(port), .events = POLLIN}, 1, -1);
        hf_port_dispatch(port);
    }
    hf_port_close(port);
    hf_engine_close(engine);
}
