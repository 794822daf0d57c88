#include "net/session_id.h"

#include <stddef.h>

#include <openssl/rand.h>

#include "worker.h"

bool hf_session_id_choose(const struct hf_worker *worker, unsigned char id[HF_SESSION_ID_SIZE],
                          char text[HF_SESSION_ID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    if (RAND_bytes(id, HF_SESSION_ID_SIZE) != 1) {
        return false;
    }
    id[6] = (unsigned char)((id[6] & 0x0f) | 0x40);
    id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
    id[14] = (unsigned char)(worker->index >> 8);
    id[15] = (unsigned char)worker->index;
    for (size_t i = 0; i < HF_SESSION_ID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *text++ = '-';
        }
        *text++ = digits[id[i] >> 4];
        *text++ = digits[id[i] & 0xf];
    }
    *text = '\0';
    return true;
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hf_session_id_parse(struct hf_slice text, unsigned char id[HF_SESSION_ID_SIZE])
{
    size_t at = 0;
    for (size_t i = 0; i < HF_SESSION_ID_SIZE && text.len == HF_SESSION_ID_TEXT_LEN; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.data[at++] != '-') {
            return false;
        }
        int high = digit_value(text.data[at++]);
        int low = digit_value(text.data[at++]);
        if (high < 0 || low < 0) {
            return false;
        }
        id[i] = (unsigned char)(high << 4 | low);
    }
    return at == HF_SESSION_ID_TEXT_LEN;
}
