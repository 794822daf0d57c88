/* Event ids of uni_sse: where a plain EventSource is in the channels that it follows.
 *
 * An id is the letter 'a' (its version) and base64url of 20 bytes for each channel that keeps
 * history: 6 bytes of the SHA-256 of its name, 7 of the epoch, 7 of the offset, big-endian. It
 * names positions only: which channels are subscribed to, and whether that is allowed, is decided
 * by the request that brings it, so that a forged id asks for nothing that the request could not
 * ask for. With more than HF_EVENT_ID_CHANNELS_MAX such channels no ids are sent. Worker's thread
 * only. */
#ifndef HF_SERVER_EVENT_ID_H
#define HF_SERVER_EVENT_ID_H

#include <stdbool.h>
#include <stddef.h>

#include <holdfast/position.h>

#include "slice.h"

#define HF_EVENT_ID_CHANNELS_MAX 32
#define HF_EVENT_ID_TEXT_SIZE    (1 + (HF_EVENT_ID_CHANNELS_MAX * 20 * 4 + 2) / 3 + 2)

/* Positions by channel. */
struct hf_event_ids;

/* Empty. NULL: no memory. */
struct hf_event_ids *hf_event_ids_new(void);
void hf_event_ids_free(struct hf_event_ids *ids); /* NULL is allowed */

/* Forgets everything, or reads an id; false and empty when it is none of ours. */
void hf_event_ids_clear(struct hf_event_ids *ids);
bool hf_event_ids_parse(struct hf_event_ids *ids, struct hf_slice text);

/* Sets a channel's position, with an epoch. Beyond the limit nothing is told any more. */
void hf_event_ids_set(struct hf_event_ids *ids, struct hf_slice channel,
                      struct hf_position position);
bool hf_event_ids_find(const struct hf_event_ids *ids, struct hf_slice channel,
                       struct hf_position *position);

/* The id, NUL-terminated; returns its length, 0 when there is nothing to tell. */
size_t hf_event_ids_format(const struct hf_event_ids *ids, char text[HF_EVENT_ID_TEXT_SIZE]);

#endif
