/* What a channel it since a position (0 0: all that it still has), and a hello that is ours. */
#include <err.h>
#include <holdfast/engine.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hf_port *port;
static struct hf_watch *watch;
static struct hf_subscribe_params from = {.recover = true, .recovery_limit = HF_LIMIT_NONE};
static struct hf_publish_params hello = {.options = {100, 600, 3600}, .fields.data = {"hello", 5}};
static unsigned long long newest, greeting = -1; /* offsets: printed last, and of our hello */

static void check(void *name, int error)
{
    if (error != HF_OK)
        errx(EXIT_FAILURE, "%s: %s", (char *)name, hf_error_text(error));
}

static void on_publication(void *name, struct hf_publication *it)
{
    newest = it->position.offset;
    printf("%s %llu %.*s\n", (char *)name, newest, (int)it->fields.data.len, it->fields.data.data);
}

static void on_published(void *name, int error, enum hf_publish_outcome how, struct hf_position at)
{
    check(name, error);
    greeting = how == HF_PUBLISHED ? at.offset : newest;
}

static void on_subscribed(void *name, int error, const struct hf_subscribe_result *answer)
{
    check(name, error);
    printf("%srecovered\n", answer->recovered ? "" : "not ");
    for (uint32_t i = 0; answer->page != NULL && i < answer->page->count; i++)
        on_publication(name, answer->page->items[i]);
    from.since = answer->position; /* of the next page, unless this was the last */
    check(name, answer->live ? hf_publish(port, &hello, on_published, name)
                             : hf_subscribe(watch, &from, true, on_subscribed, name));
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
    if ((port = hf_port_open(engine, &callbacks)) != NULL)
        watch = hf_watch_open(port, hello.channel, &hello.options, argv[2]);
    check(argv[2], watch ? hf_subscribe(watch, &from, false, on_subscribed, argv[2]) : HF_ENOMEM);
    for (hf_port_flush(port); newest < greeting; hf_port_dispatch(port), hf_port_flush(port))
        poll(&(struct pollfd){.fd = hf_port_fd(port), .events = POLLIN}, 1, -1);
    hf_port_close(port);
    hf_engine_close(engine);
}
