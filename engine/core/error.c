#include <holdfast/error.h>

const char *hf_error_text(int code)
{
    switch (code) {
    case HF_OK:
        return "ok";
#define HF_ERROR_TEXT(name, value, text, temporary)                                                \
    case name:                                                                                     \
        return text;
        HF_ERRORS(HF_ERROR_TEXT)
#undef HF_ERROR_TEXT
    default:
        return "unknown error code";
    }
}

bool hf_error_is_temporary(int code)
{
    switch (code) {
#define HF_ERROR_TEMPORARY(name, value, text, temporary)                                           \
    case name:                                                                                     \
        return temporary;
        HF_ERRORS(HF_ERROR_TEMPORARY)
#undef HF_ERROR_TEMPORARY
    default:
        return false;
    }
}
