#include "client/decimal.h"

#include <string.h>

/* Takes the digits that `rest` starts with. */
static struct hf_slice take_digits(struct hf_slice *rest)
{
    struct hf_slice digits = hf_slice(rest->data, 0);

    while (digits.len < rest->len && digits.data[digits.len] >= '0' &&
           digits.data[digits.len] <= '9') {
        digits.len++;
    }
    *rest = hf_slice(rest->data + digits.len, rest->len - digits.len);
    return digits;
}

bool hf_decimal_parse(struct hf_slice text, struct hf_decimal *decimal)
{
    *decimal = (struct hf_decimal){0};
    if (text.len == 0 || text.len > HF_DECIMAL_LEN_MAX) {
        return false;
    }
    if (text.data[0] == '+' || text.data[0] == '-') {
        decimal->is_negative = text.data[0] == '-';
        text = hf_slice(text.data + 1, text.len - 1);
    }
    decimal->whole = take_digits(&text);
    if (decimal->whole.len == 0) {
        return false;
    }
    if (text.len > 0 && text.data[0] == '.') {
        text = hf_slice(text.data + 1, text.len - 1);
        decimal->fraction = take_digits(&text);
        if (decimal->fraction.len == 0 || decimal->fraction.len > HF_DECIMAL_FRACTION_MAX) {
            return false;
        }
    }
    while (decimal->whole.len > 0 && decimal->whole.data[0] == '0') {
        decimal->whole = hf_slice(decimal->whole.data + 1, decimal->whole.len - 1);
    }
    while (decimal->fraction.len > 0 && decimal->fraction.data[decimal->fraction.len - 1] == '0') {
        decimal->fraction.len--;
    }
    decimal->is_negative &= decimal->whole.len > 0 || decimal->fraction.len > 0;
    return text.len == 0;
}

/* By the first digit that differs; a longer one is greater when there is none. */
static int compare_digits(struct hf_slice a, struct hf_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int difference = common == 0 ? 0 : memcmp(a.data, b.data, common);

    return difference != 0 ? difference : (a.len > b.len) - (a.len < b.len);
}

int hf_decimal_compare(const struct hf_decimal *a, const struct hf_decimal *b)
{
    int sign = a->is_negative ? -1 : 1;
    int difference;

    if (a->is_negative != b->is_negative) {
        return sign;
    }
    if (a->whole.len != b->whole.len) {
        return a->whole.len > b->whole.len ? sign : -sign;
    }
    difference = compare_digits(a->whole, b->whole);
    return sign * (difference != 0 ? difference : compare_digits(a->fraction, b->fraction));
}
