/* Frames of commands in the encoding that the file is named after. */
#include "fuzz_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_commands(HF_ENCODING_PROTOBUF, data, size);
}
