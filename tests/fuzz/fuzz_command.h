/* What the two command decoders have in common: a frame is taken apart, and each command that is
 * accepted is decoded again from its own bytes, as a session does that had to wait. */
#ifndef HF_TEST_FUZZ_COMMAND_H
#define HF_TEST_FUZZ_COMMAND_H

#include "command.h"
#include "fuzz.h"
#include "utf8.h"

/* As the broker's limit for a message of 64 KiB. */
#define FUZZ_ARENA_LIMIT ((size_t)4 * 1024 * 1024)

static inline void check_text(struct hf_slice text)
{
    assert(hf_utf8_is_valid(text.data, text.len));
}

static inline void check_filter(const struct hf_filter_node *node)
{
    check_text(node->key);
    for (size_t i = 0; i < node->vals_count; i++) {
        check_text(node->vals[i]);
    }
    for (size_t i = 0; i < node->nodes_count; i++) {
        check_filter(&node->nodes[i]);
    }
}

/* Reads what was decoded, so that what points nowhere is seen. */
static inline void check_command(const struct hf_command *command)
{
    switch (command->kind) {
    case HF_COMMAND_CONNECT:
        check_text(command->request.connect.token);
        for (size_t i = 0; i < command->request.connect.subs_count; i++) {
            check_text(command->request.connect.subs[i].channel);
            check_text(command->request.connect.subs[i].request.epoch);
        }
        for (size_t i = 0; i < command->request.connect.headers_count; i++) {
            check_text(command->request.connect.headers[i].value);
        }
        break;
    case HF_COMMAND_SUBSCRIBE:
        check_text(command->request.subscribe.channel);
        if (command->request.subscribe.tf != NULL) {
            check_filter(command->request.subscribe.tf);
        }
        break;
    case HF_COMMAND_PUBLISH:
        check_text(command->request.publish.channel);
        break;
    case HF_COMMAND_HISTORY:
        check_text(command->request.history.since.epoch);
        break;
    default:
        break;
    }
    assert(command->id != 0 || command->kind == HF_COMMAND_NONE ||
           command->kind == HF_COMMAND_PONG || command->kind == HF_COMMAND_SEND);
}

static inline int fuzz_commands(enum hf_encoding encoding, const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    struct hf_command_iterator iterator;
    struct hf_command command;
    struct hf_command again;
    struct hf_slice message;
    struct hf_arena arena;

    hf_arena_init(&arena, FUZZ_ARENA_LIMIT);
    hf_command_iterator_init(&iterator, encoding, hf_slice(copy, size), 65536);
    while (hf_command_iterator_next_message(&iterator, &message, NULL) == HF_COMMAND_OK) {
        struct hf_command_error error = {NULL, 0};
        enum hf_command_status status;

        hf_arena_reset(&arena);
        status = hf_command_decode(encoding, message, &arena, &command, &error);
        if (status != HF_COMMAND_OK) {
            assert(error.reason != NULL && error.offset <= message.len);
            break;
        }
        check_command(&command);
        hf_arena_reset(&arena);
        status = hf_command_decode(encoding, message, &arena, &again, NULL);
        assert(status == HF_COMMAND_OK && again.kind == command.kind && again.id == command.id);
    }
    hf_arena_fini(&arena);
    free(copy);
    return 0;
}

#endif
