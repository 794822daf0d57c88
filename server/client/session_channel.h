/* Channel helpers that sessions and the server API share. Pure; any thread. */
#ifndef HF_SERVER_SESSION_CHANNEL_H
#define HF_SERVER_SESSION_CHANNEL_H

#include <stdbool.h>

#include <holdfast/engine.h>

#include "config/config.h"
#include "slice.h"

/* The engine's limits for a channel's stream. */
struct hf_stream_options hf_channel_stream_options(const struct hf_channel_options *options);

/* 0, or HF_ERROR_BAD_REQUEST when the payload is not what the channel takes. is_json: `data` is
 * known to be one JSON value (or empty); otherwise it may be any bytes. */
int hf_channel_check_data(const struct hf_channel_options *options, struct hf_slice data,
                          bool is_json);

#endif
