#include "edge_emo_frame.h"

uint32_t ee_crc32(const uint8_t *data, size_t length) {
    static const uint32_t table[16] = {0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU,
                                       0x76DC4190U, 0x6B6B51F4U, 0x4DB26158U, 0x5005713CU,
                                       0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U, 0xCB61B38CU,
                                       0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU};
    uint32_t crc = 0xFFFFFFFFU;
    size_t i;
    for (i = 0; i < length; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15U];
        crc = (crc >> 4) ^ table[crc & 15U];
    }
    return ~crc;
}

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Replaces each COBS code by the zero that it stands for; false when a code points outside. */
static bool unstuff(uint8_t *data, size_t length) {
    size_t at = 0;
    while (at < length) {
        size_t code = data[at];
        data[at] = 0;
        at += code;
    }
    return at == length;
}

static ee_outcome check(ee_receiver *receiver, ee_received *received) {
    size_t body_length;
    uint8_t *body = receiver->data + 1;
    if (receiver->length < 1U + EE_HEADER_BYTES + EE_CRC_BYTES) {
        return EE_BAD;
    }
    if (!unstuff(receiver->data, receiver->length)) {
        return EE_BAD;
    }
    body_length = receiver->length - 1U - EE_CRC_BYTES;
    if (ee_crc32(body, body_length) != read_u32(body + body_length)) {
        return EE_BAD;
    }
    if (body[0] != EE_VERSION) {
        return EE_OTHER_VERSION;
    }
    received->payload = body + EE_HEADER_BYTES;
    received->length = (uint16_t)(body_length - EE_HEADER_BYTES);
    received->sequence = (uint16_t)(body[2] | (uint16_t)body[3] << 8);
    return EE_GOOD;
}

ee_outcome ee_receive(ee_receiver *receiver, uint8_t byte, ee_received *received) {
    ee_outcome outcome = EE_NOTHING;
    if (byte != 0) {
        if (receiver->length < sizeof receiver->data) {
            receiver->data[receiver->length++] = byte;
        } else {
            receiver->overrun = true;
        }
        return EE_NOTHING;
    }
    if (receiver->overrun) {
        outcome = EE_BAD;
    } else if (receiver->length > 0) {
        outcome = check(receiver, received);
    }
    receiver->length = 0;
    receiver->overrun = false;
    return outcome;
}

size_t ee_frame_close(uint8_t *frame, uint16_t sequence, size_t length) {
    uint8_t *body = frame + 2;
    size_t body_length = EE_HEADER_BYTES + length;
    size_t code_at = 1;
    size_t end;
    size_t i;
    uint32_t crc;
    body[0] = EE_VERSION;
    body[1] = 0;
    body[2] = (uint8_t)(sequence & 0xFFU);
    body[3] = (uint8_t)(sequence >> 8);
    crc = ee_crc32(body, body_length);
    for (i = 0; i < EE_CRC_BYTES; i++) {
        body[body_length + i] = (uint8_t)(crc >> (8U * i) & 0xFFU);
    }
    end = 2U + body_length + EE_CRC_BYTES;
    for (i = 2; i < end; i++) {
        if (frame[i] == 0) {
            frame[code_at] = (uint8_t)(i - code_at);
            code_at = i;
        }
    }
    frame[code_at] = (uint8_t)(end - code_at);
    frame[0] = 0;
    frame[end] = 0;
    return end + 1U;
}
