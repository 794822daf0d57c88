#include "store_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_server.h"

static struct hf_redis_server *server; /* of the group; NULL: memory */

int hf_cases_start_server(void **state)
{
    (void)state;
    server = hf_redis_server_start(NULL);
    return 0;
}

int hf_cases_stop_server(void **state)
{
    (void)state;
    hf_redis_server_free(server);
    server = NULL;
    return 0;
}

int hf_cases_open_client(void **state)
{
    struct hf_store_client *client = malloc(sizeof *client);
    hf_store_client_init(client, server != NULL ? hf_redis_server_unix(server) : NULL);
    if (server != NULL)
        hf_redis_server_do(server, "FLUSHALL");
    hf_store_client_connect(client);
    *state = client;
    return 0;
}

int hf_cases_close_client(void **state)
{
    hf_store_client_close(*state);
    free(*state);
    return 0;
}

struct hf_position hf_cases_publish(struct hf_store_client *client, const char *channel,
                                    const char *data)
{
    struct hf_position position;
    assert_int_equal(hf_store_client_publish(client, channel, hf_options_10, data, &position),
                     HF_OK);
    return position;
}

void hf_cases_publish_many(struct hf_store_client *client, const char *channel, int count)
{
    char data[16];
    for (int i = 1; i <= count; i++) {
        snprintf(data, sizeof data, "m%d", i);
        hf_cases_publish(client, channel, data);
    }
}

struct hf_store_read hf_cases_read_of(const char *channel, uint32_t limit)
{
    return (struct hf_store_read){
        .channel = hf_bytes_of(channel), .options = hf_options_10, .limit = limit};
}

/* The page's offsets are first, first + step, ...; and the data "m<offset>". */
void hf_cases_assert_page(const struct hf_store_read *request, uint64_t first, uint32_t count,
                          int step)
{
    if (count == 0) {
        assert_null(request->page);
        return;
    }
    assert_non_null(request->page);
    assert_int_equal(request->page->count, count);
    for (uint32_t i = 0; i < count; i++) {
        char data[24];
        const struct hf_publication *publication = request->page->items[i];
        uint64_t offset = first + (uint64_t)((int64_t)i * step);
        assert_int_equal(publication->position.offset, offset);
        assert_int_equal(publication->position.epoch, request->top.epoch);
        snprintf(data, sizeof data, "m%llu", (unsigned long long)offset);
        assert_int_equal(publication->fields.data.len, strlen(data));
        assert_memory_equal(publication->fields.data.data, data, strlen(data));
    }
}

void hf_cases_read_ok(struct hf_store_client *client, struct hf_store_read *request)
{
    assert_int_equal(hf_store_client_read(client, request), HF_OK);
}
