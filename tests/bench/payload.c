#include "payload.h"

#include <string.h>

/* Each # is a digit; what follows the last quote but one is the filling. */
static const char form[] = "{\"c\":\"########\",\"p\":\"######\",\"s\":\"##########\","
                           "\"t\":\"####################\",\"x\":\"";
static const char end[] = "\"}";
enum { HEAD = sizeof form - 1, TAIL = sizeof end - 1 };
enum { CHANNEL_AT = 6, PUBLISHER_AT = 21, SEQUENCE_AT = 34, TIME_AT = 51 };
_Static_assert(HEAD + TAIL <= HF_PAYLOAD_MIN, "the shortest payload");

static void write_digits(char *out, unsigned width, uint64_t value)
{
    while (width-- > 0) {
        out[width] = (char)('0' + value % 10);
        value /= 10;
    }
}

static bool read_digits(const char *in, unsigned width, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < width; i++) {
        if (in[i] < '0' || in[i] > '9') {
            return false;
        }
        *value = *value * 10 + (uint64_t)(in[i] - '0');
    }
    return true;
}

static char filling_of(const struct hf_payload *payload)
{
    return (char)('a' + (payload->channel + payload->publisher + payload->sequence) % 26);
}

void hf_payload_write(const struct hf_payload *payload, char *out, size_t size)
{
    memcpy(out, form, HEAD);
    write_digits(out + CHANNEL_AT, 8, payload->channel);
    write_digits(out + PUBLISHER_AT, 6, payload->publisher);
    write_digits(out + SEQUENCE_AT, 10, payload->sequence);
    write_digits(out + TIME_AT, 20, payload->time_ns);
    memset(out + HEAD, filling_of(payload), size - HEAD - TAIL);
    memcpy(out + size - TAIL, end, TAIL);
}

bool hf_payload_read(struct hf_slice data, struct hf_payload *payload)
{
    uint64_t channel, publisher, sequence;
    if (data.len < HF_PAYLOAD_MIN) {
        return false;
    }
    for (size_t i = 0; i < HEAD; i++) {
        if (form[i] != '#' && form[i] != data.data[i]) {
            return false;
        }
    }
    if (!read_digits(data.data + CHANNEL_AT, 8, &channel) ||
        !read_digits(data.data + PUBLISHER_AT, 6, &publisher) ||
        !read_digits(data.data + SEQUENCE_AT, 10, &sequence) ||
        !read_digits(data.data + TIME_AT, 20, &payload->time_ns)) {
        return false;
    }
    payload->channel = (uint32_t)channel;
    payload->publisher = (uint32_t)publisher;
    payload->sequence = (uint32_t)sequence;
    const char filling = filling_of(payload);
    for (size_t i = HEAD; i < data.len - TAIL; i++) {
        if (data.data[i] != filling) {
            return false;
        }
    }
    return memcmp(data.data + data.len - TAIL, end, TAIL) == 0;
}
