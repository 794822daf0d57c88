/* Error codes of the engine: 0 is success, errors are negative.
 *
 * One list gives code, text and whether trying again later may help. */
#ifndef HF_HOLDFAST_ERROR_H
#define HF_HOLDFAST_ERROR_H

#include <stdbool.h>

/* X(name, value, text, temporary) */
#define HF_ERRORS(X)                                                                               \
    X(HF_ENOMEM, -1, "out of memory", true)                                                        \
    X(HF_EINVAL, -2, "invalid argument", false)                                                    \
    X(HF_EUNAVAILABLE, -3, "the store cannot be reached", true)                                    \
    X(HF_ETIMEOUT, -4, "the store did not answer in time", true)                                   \
    X(HF_ELIMIT, -5, "a queue limit was reached", true)                                            \
    X(HF_EUNRECOVERABLE, -6, "the stream no longer holds what follows the position", false)        \
    X(HF_ESTORE, -7, "the store answered with an error", true)                                     \
    X(HF_EUNKNOWN, -8, "the outcome is unknown: the store was lost after sending", true)           \
    X(HF_ECLOSED, -9, "closed", true)                                                              \
    X(HF_EUNSUPPORTED, -10, "not supported by this store", false)                                  \
    X(HF_ENONODE, -11, "no engine of that name listens", false)

enum hf_error {
    HF_OK = 0,
#define HF_ERROR_ENUM(name, value, text, temporary) name = (value),
    HF_ERRORS(HF_ERROR_ENUM)
#undef HF_ERROR_ENUM
};

/* Static text for a code; never NULL. */
const char *hf_error_text(int code);

/* Whether the same request may succeed later without a change. */
bool hf_error_is_temporary(int code);

#endif
