#include "codes.h"

const char *hf_error_message(uint32_t code)
{
    switch (code) {
#define X(name, number, message, is_temporary)                                                     \
    case number:                                                                                   \
        return message;
        HF_ERROR_CODES(X)
#undef X
    default:
        return NULL;
    }
}

bool hf_error_code_is_temporary(uint32_t code)
{
    switch (code) {
#define X(name, number, message, is_temporary)                                                     \
    case number:                                                                                   \
        return is_temporary;
        HF_ERROR_CODES(X)
#undef X
    default:
        return false;
    }
}

const char *hf_disconnect_reason(uint32_t code)
{
    switch (code) {
#define X(name, number, reason)                                                                    \
    case number:                                                                                   \
        return reason;
        HF_DISCONNECT_CODES(X)
#undef X
    default:
        return NULL;
    }
}

const char *hf_unsubscribe_reason(uint32_t code)
{
    switch (code) {
#define X(name, number, reason)                                                                    \
    case number:                                                                                   \
        return reason;
        HF_UNSUBSCRIBE_CODES(X)
#undef X
    default:
        return NULL;
    }
}

bool hf_disconnect_is_terminal(uint32_t code)
{
    return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}
