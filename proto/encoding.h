/* Encoding: how messages of the client protocol are written. Fixed for a connection's life. */
#ifndef HF_PROTO_ENCODING_H
#define HF_PROTO_ENCODING_H

enum hf_encoding {
    HF_ENCODING_JSON,
    HF_ENCODING_PROTOBUF,
    HF_ENCODINGS, /* how many there are */
};

#endif
