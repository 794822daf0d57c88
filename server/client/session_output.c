#include "client/session_output.h"

#include "client/hub.h"
#include "client/publication_frame.h"
#include "client/session_internal.h"

/* A frame is sent once it is so long, and a buffer that has grown beyond the second is not kept. */
#define OUTPUT_FRAME_BYTES ((size_t)64 * 1024)
#define OUTPUT_KEEP_BYTES  ((size_t)1024 * 1024)

void hf_session_output_init(struct hf_session_output *output)
{
    output->session = NULL;
    output->count = 0;
    hf_buffer_init(&output->buffer, 0);
}

void hf_session_output_fini(struct hf_session_output *output)
{
    hf_buffer_fini(&output->buffer);
    output->session = NULL;
    output->count = 0;
}

static void clear(struct hf_session_output *output)
{
    output->session = NULL;
    output->count = 0;
    if (output->buffer.capacity > OUTPUT_KEEP_BYTES) {
        hf_buffer_fini(&output->buffer);
    } else {
        hf_buffer_reset(&output->buffer);
    }
}

struct hf_buffer *hf_session_output_begin(struct hf_session_output *output,
                                          struct hf_session *session)
{
    if (output->session != session) {
        hf_session_output_flush(output);
        output->session = session;
    }
    hf_reply_separate(hf_session_encoder(session), &output->buffer);
    return &output->buffer;
}

void hf_session_output_commit(struct hf_session_output *output)
{
    if (hf_buffer_failed(&output->buffer)) {
        struct hf_session *session = output->session;

        clear(output);
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        return;
    }
    output->count++;
    if (output->count >= HF_FRAME_MESSAGES_MAX || output->buffer.len >= OUTPUT_FRAME_BYTES) {
        hf_session_output_flush(output);
    }
}

void hf_session_output_flush(struct hf_session_output *output)
{
    struct hf_session *session = output->session;
    struct hf_frame *frame;

    if (session == NULL) {
        return;
    }
    frame = session->transport->wrap(output->buffer.data, output->buffer.len);
    clear(output);
    if (frame == NULL) {
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        return;
    }
    session->transport->send(session->connection, frame);
    hf_frame_unref(frame);
}

void hf_session_output_forget(struct hf_session_output *output, const struct hf_session *session)
{
    if (output->session == session) {
        clear(output);
    }
}
