/* follow ADDRESS CHANNEL EPOCH OFFSET: prints what a channel got since a position (0 0: all that it
 * still has), says hello to it, and ends when that has come back. */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/engine.h>

static struct hf_port *port;
static struct hf_watch *watch;
static struct hf_subscribe_params from = {.recover = true, .recovery_limit = HF_LIMIT_NONE};
static struct hf_publish_params hello = {.options = {100, 600, 3600}, .fields.data = {"hello", 5}};
static unsigned long long newest, greeting; /* offsets: printed last, and of our hello */

static void check(void *channel, int error)
{
    if (error != HF_OK)
        errx(EXIT_FAILURE, "%s: %s", (char *)channel, hf_error_text(error));
}

static void on_publication(void *channel, struct hf_publication *publication)
{
    newest = publication->position.offset;
    printf("%s %llu %.*s\n", (char *)channel, newest, (int)publication->fields.data.len,
           publication->fields.data.data);
}

static void on_published(void *channel, int error, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    check(channel, error);
    greeting = outcome == HF_PUBLISHED ? position.offset : newest;
}

static void on_subscribed(void *channel, int error, const struct hf_subscribe_result *answer)
{
    check(channel, error);
    printf("%srecovered\n", answer->recovered ? "" : "not ");
    for (uint32_t i = 0; answer->page != NULL && i < answer->page->count; i++)
        on_publication(channel, answer->page->items[i]);
    from.since = answer->position; /* of the next page, unless this was the last */
    check(channel, answer->live ? hf_publish(port, &hello, on_published, channel)
                                : hf_subscribe(watch, &from, true, on_subscribed, channel));
}

int main(int argc, char **argv)
{
    char reason[160] = "usage: follow ADDRESS CHANNEL EPOCH OFFSET";
    struct hf_engine *engine;
    struct hf_engine_config config = {.store = HF_STORE_REDIS, .redis.address = argv[1]};
    struct hf_port_callbacks callbacks = {.on_publication = on_publication, .on_lost = check};
    if (argc != 5 || hf_engine_open(&config, &engine, reason, sizeof reason) != HF_OK)
        errx(EXIT_FAILURE, "%s", reason);
    from.since = (struct hf_position){strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10)};
    hello.channel = (struct hf_bytes){argv[2], strlen(argv[2])};
    if ((port = hf_port_open(engine, &callbacks)) == NULL ||
        (watch = hf_watch_open(port, hello.channel, &hello.options, argv[2])) == NULL)
        check(argv[2], HF_ENOMEM);
    check(argv[2], hf_subscribe(watch, &from, false, on_subscribed, argv[2]));
    while (greeting == 0 || newest < greeting) {
        hf_port_flush(port);
        poll(&(struct pollfd){.fd = hf_port_fd(port), .events = POLLIN}, 1, -1);
        hf_port_dispatch(port);
    }
    hf_port_close(port);
    hf_engine_close(engine);
}
