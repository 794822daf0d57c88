/* Frame: how a publication looks in a pub/sub message. Pure; any thread.
 *
 *   message   = 1*frame                      publications of one channel, in their order
 *             / position LF data             one that has only data, to the message's end
 *             / "removed" LF                 the channel's entries were removed
 *             / "join" LF info               a client has joined the channel (presence.h)
 *             / "leave" LF info              ... or left it
 *   frame     = position head LF data info tags version_epoch
 *   position  = epoch "-" offset             "0-0" for a publication without history
 *   head      = SP data_len [ SP "i" info_len ] [ SP "t" tags_len ]
 *               [ SP "v" version [ SP "e" version_epoch_len ] ] [ SP "d" ]
 *
 * Numbers are decimal without leading zeros; those behind a letter are never 0; "d" asks for delta
 * delivery. So `redis-cli SUBSCRIBE` shows `1763714901000000-7\n{"text":"hi"}`, or with more than
 * data `1763714901000000-7 13 i14\n{"text":"hi"}{"user":"ann"}`. The head is made by the publisher;
 * the position is put before it where it is known: in the publish script. */
#ifndef HF_REDIS_FRAME_H
#define HF_REDIS_FRAME_H

#include <stddef.h>

#include <holdfast/position.h>
#include <holdfast/publication.h>

#define HF_POSITION_TEXT_SIZE   42  /* two uint64_t, the dash and the NUL */
#define HF_FRAME_HEAD_SIZE      128 /* five numbers of 20 digits with their marks, the NUL */
#define HF_FRAME_NO_HISTORY     "0-0"
#define HF_FRAME_NO_HISTORY_LEN 3
#define HF_FRAME_REMOVED        "removed\n"
#define HF_FRAME_JOIN           "join\n" /* made by lua/presence_update.lua */
#define HF_FRAME_LEAVE          "leave\n"

/* Writes "<epoch>-<offset>" and a NUL; returns the length. */
size_t hf_position_format(struct hf_position position, char text[HF_POSITION_TEXT_SIZE]);

/* Reads exactly `<epoch>-<offset>`: the epoch at most HF_EPOCH_MAX, digits only. HF_EINVAL. */
int hf_position_parse(const char *text, size_t len, struct hf_position *position);

/* Writes the head with its LF and a NUL; returns the length without the NUL. */
size_t hf_frame_head(const struct hf_publication_fields *fields, char head[HF_FRAME_HEAD_SIZE]);

/* Reads the frame at *cursor (or the message without a head that begins there) and moves the cursor
 * behind it. `fields` then borrow the message. HF_EINVAL: what is there is no frame; the cursor
 * stays. */
int hf_frame_parse(const char **cursor, const char *end, struct hf_position *position,
                   struct hf_publication_fields *fields);

#endif
