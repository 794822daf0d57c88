/* Survey: asks every node which channels have subscribers there, and adds up what they say.
 *
 * The question goes to all workers of all nodes on the engine's bus; each answers for itself, to
 * the asking node alone, in parts. The survey is complete when all workers of every node that was
 * known when it was asked, and still is, have answered; it fails with holdfast.survey_timeout.
 * Messages: "survey\n"   {"id":1,"uid":U,"worker":0,"pattern":"news:*"}        uid, worker: who
 * asks "surveyed\n"
 * {"id":1,"worker":0,"uid":V,"index":0,"of":2,"last":true,"channels":{"news:a":3}} index, of: which
 * worker of the node V answers. "too_many":true: more channels than holdfast.survey_channels_max
 * Worker's thread only. */
#ifndef HF_SERVER_SURVEY_H
#define HF_SERVER_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "slice.h"

struct hf_survey;
struct hf_surveys;
struct hf_worker;

/* NULL: no memory. */
struct hf_surveys *hf_surveys_open(struct hf_worker *worker);
/* Ends those that are open with HF_ECLOSED. NULL is allowed. */
void hf_surveys_close(struct hf_surveys *surveys);
/* Ends those whose time is over; about once a second. */
void hf_surveys_tick(struct hf_surveys *surveys, uint64_t now_ms);

/* survey: borrowed until return, NULL unless the result is HF_OK. HF_ELIMIT: too many channels.
 * HF_EUNAVAILABLE: not everybody has answered. Others: of the bus. */
typedef void hf_survey_callback(void *context, int result, const struct hf_survey *survey);

/* pattern: NUL-terminated, one that hf_glob_error has passed; "" for every channel. HF_OK, and the
 * callback follows, not before return; or HF_ENOMEM, HF_ELIMIT (holdfast.surveys_max are open), or
 * the bus' refusal. */
int hf_survey_start(struct hf_surveys *surveys, const char *pattern, hf_survey_callback *callback,
                    void *context) __attribute__((warn_unused_result));

/* Calls `visit` for each channel, in no order. */
void hf_survey_each(const struct hf_survey *survey,
                    void (*visit)(void *context, struct hf_slice channel, uint64_t clients),
                    void *context);

/* For the bus. True: it was one of these messages. */
bool hf_survey_take(struct hf_worker *worker, struct hf_bytes message);

#endif
