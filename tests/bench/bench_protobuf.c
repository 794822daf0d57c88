/* Protobuf: what encoding a publication's push costs, by three ways: our direct writing,
 * protobuf-c's packer, and our JSON; and decoding a publish command. Nanoseconds are of one thread,
 * medians of rounds.   bench_protobuf */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.pb-c.h"
#include "command.h"
#include "reply.h"

enum { ROUNDS = 9, LOOPS = 200000 };

static const struct hf_slice channel = {"chat:main", 9};
static const struct hf_slice info_json = {
    "{\"user\":\"42\",\"client\":\"0d2b3c4e-6a41-4d8e-9d7e-0f1a2b3c4d5e\"}", 61};

struct subject {
    const char *name;
    size_t (*run)(struct hf_buffer *buffer, const struct hf_wire_publication *publication);
};

static size_t run_direct(struct hf_buffer *buffer, const struct hf_wire_publication *publication)
{
    hf_buffer_reset(buffer);
    hf_encoder_protobuf.push_publication(buffer, hf_push_channel(channel), publication);
    return buffer->len;
}

static size_t run_json(struct hf_buffer *buffer, const struct hf_wire_publication *publication)
{
    hf_buffer_reset(buffer);
    hf_encoder_json.push_publication(buffer, hf_push_channel(channel), publication);
    return buffer->len;
}

static ProtobufCBinaryData bytes_of(struct hf_slice slice)
{
    return (ProtobufCBinaryData){slice.len, (uint8_t *)(uintptr_t)slice.data};
}

/* The info is given taken apart already: the packer alone is measured. */
static size_t run_packer(struct hf_buffer *buffer, const struct hf_wire_publication *publication)
{
    HfPb__ClientInfo info = HF_PB__CLIENT_INFO__INIT;
    HfPb__Publication pub = HF_PB__PUBLICATION__INIT;
    HfPb__Push push = HF_PB__PUSH__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    size_t len;

    hf_buffer_reset(buffer);
    pub.data = bytes_of(publication->data);
    pub.offset = publication->offset;
    if (publication->info_raw.len != 0) {
        info.user = bytes_of(HF_SLICE("42"));
        info.client = bytes_of(HF_SLICE("0d2b3c4e-6a41-4d8e-9d7e-0f1a2b3c4d5e"));
        pub.info = &info;
    }
    push.channel = bytes_of(channel);
    push.pub = &pub;
    reply.push = &push;
    len = hf_pb__reply__get_packed_size(&reply);
    hf_buffer_append_char(buffer, (char)len); /* stands for the length */
    if (hf_buffer_reserve(buffer, len)) {
        buffer->len += hf_pb__reply__pack(&reply, (uint8_t *)buffer->data + buffer->len);
    }
    return buffer->len;
}

/* A publish command with the publication's data, decoded. */
static size_t run_decode(struct hf_buffer *buffer, const struct hf_wire_publication *publication)
{
    static struct hf_arena arena; /* zeroed: unlimited and empty */
    struct hf_command command;

    (void)publication;
    hf_arena_reset(&arena);
    if (hf_command_decode_protobuf(hf_buffer_slice(buffer), &arena, &command, NULL) !=
        HF_COMMAND_OK) {
        abort();
    }
    return buffer->len;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const struct subject *subject, struct hf_buffer *buffer,
                    const struct hf_wire_publication *publication)
{
    double ns[ROUNDS];
    size_t len = 0;

    for (int round = 0; round < ROUNDS; round++) {
        struct timespec start;
        struct timespec end;

        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int i = 0; i < LOOPS; i++) {
            len = subject->run(buffer, publication);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        ns[round] =
            ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
            LOOPS;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), compare);
    printf("  %-28s %8.1f ns %8zu bytes\n", subject->name, ns[ROUNDS / 2], len);
}

static void pack_publish(struct hf_buffer *buffer, struct hf_slice data)
{
    HfPb__PublishRequest publish = HF_PB__PUBLISH_REQUEST__INIT;
    HfPb__Command command = HF_PB__COMMAND__INIT;

    publish.channel = bytes_of(channel);
    publish.data = bytes_of(data);
    command.id = 7;
    command.publish = &publish;
    hf_buffer_reset(buffer);
    if (!hf_buffer_reserve(buffer, hf_pb__command__get_packed_size(&command))) {
        abort();
    }
    buffer->len = hf_pb__command__pack(&command, (uint8_t *)buffer->data);
}

int main(void)
{
    static const struct subject encoders[] = {
        {"Protobuf, direct", run_direct},
        {"Protobuf, protobuf-c", run_packer},
        {"JSON", run_json},
    };
    static const struct subject decoder = {"decode publish (protobuf-c)", run_decode};
    static const size_t sizes[] = {32, 256, 4096};
    static char data[4096];
    struct hf_buffer buffer;

    hf_buffer_init(&buffer, 0);
    memset(data, 'x', sizeof(data));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int with_info = 0; with_info < 2; with_info++) {
            struct hf_wire_publication publication = {.data = hf_slice(data, sizes[i]),
                                                      .offset = 123456};

            if (with_info) {
                publication.info_raw = info_json;
            }
            printf("%zu bytes of data%s\n", sizes[i], with_info ? ", client info" : "");
            for (size_t e = 0; e < sizeof(encoders) / sizeof(encoders[0]); e++) {
                measure(&encoders[e], &buffer, &publication);
            }
        }
        pack_publish(&buffer, hf_slice(data, sizes[i]));
        measure(&decoder, &buffer, NULL);
    }
    hf_buffer_fini(&buffer);
    return 0;
}
