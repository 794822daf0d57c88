#include <holdfast/position.h>

#include <inttypes.h>
#include <stdio.h>

size_t hf_epoch_format(uint64_t epoch, char text[HF_EPOCH_TEXT_SIZE])
{
    if (epoch == HF_EPOCH_NONE) {
        text[0] = '\0';
        return 0;
    }
    return (size_t)snprintf(text, HF_EPOCH_TEXT_SIZE, "%" PRIu64, epoch);
}

uint64_t hf_epoch_parse(const char *text, size_t len)
{
    if (len == 0) {
        return HF_EPOCH_NONE;
    }
    if (len > 16 || text[0] == '0') {
        return HF_EPOCH_FOREIGN;
    }
    uint64_t epoch = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return HF_EPOCH_FOREIGN;
        }
        epoch = epoch * 10 + (uint64_t)(text[i] - '0');
    }
    return epoch <= HF_EPOCH_MAX ? epoch : HF_EPOCH_FOREIGN;
}
