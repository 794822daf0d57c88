/* Decimal: compares decimal numbers written as text, exactly. Pure, any thread. */
#ifndef HF_SERVER_DECIMAL_H
#define HF_SERVER_DECIMAL_H

#include <stdbool.h>

#include "slice.h"

/* What a number may have: longer texts are none. */
#define HF_DECIMAL_LEN_MAX      200
#define HF_DECIMAL_FRACTION_MAX 19

struct hf_decimal {
    bool is_negative;         /* never of zero */
    struct hf_slice whole;    /* digits without leading zeros; empty for 0 */
    struct hf_slice fraction; /* digits without trailing zeros */
};

/* text: [+-] digits [ "." digits ]; borrowed for as long as *decimal is used. False: it is none. */
bool hf_decimal_parse(struct hf_slice text, struct hf_decimal *decimal);

/* Below 0, 0 or above 0 as a is less than, equal to or greater than b. */
int hf_decimal_compare(const struct hf_decimal *a, const struct hf_decimal *b);

#endif
