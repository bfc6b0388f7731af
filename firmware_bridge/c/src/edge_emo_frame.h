/* Frames of the wire: COBS, version, sequence number and CRC-32. PROTOCOL.md, section 2. */
#ifndef EDGE_EMO_FRAME_H
#define EDGE_EMO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EE_VERSION 1U
#define EE_HEADER_BYTES 4U
#define EE_CRC_BYTES 4U
#define EE_PAYLOAD_MAX 240U
#define EE_BODY_MAX (EE_HEADER_BYTES + EE_PAYLOAD_MAX + EE_CRC_BYTES)
/* A zero, the COBS code, the body, a zero. A body below 255 bytes needs one code. */
#define EE_FRAME_MAX (EE_BODY_MAX + 3U)
/* Where a payload lies in a frame that is being built. */
#define EE_PAYLOAD_AT (2U + EE_HEADER_BYTES)

typedef enum {
    EE_NOTHING,      /* no frame is complete */
    EE_GOOD,         /* a frame was received */
    EE_BAD,          /* bytes that are no frame were skipped */
    EE_OTHER_VERSION /* a good frame of another version of the protocol */
} ee_outcome;

typedef struct {
    uint8_t data[EE_BODY_MAX + 1U];
    uint16_t length;
    bool overrun;
} ee_receiver;

typedef struct {
    const uint8_t *payload; /* inside the receiver; valid until its next byte */
    uint16_t length;
    uint16_t sequence;
} ee_received;

/* Takes one byte; fills `received` when the outcome is EE_GOOD. */
ee_outcome ee_receive(ee_receiver *receiver, uint8_t byte, ee_received *received);

/* Completes a frame whose payload lies at EE_PAYLOAD_AT; returns the frame's length. `frame` has
 * room for EE_FRAME_MAX bytes and `length` is at most EE_PAYLOAD_MAX. */
size_t ee_frame_close(uint8_t *frame, uint16_t sequence, size_t length);

/* CRC-32 as in IEEE 802.3. */
uint32_t ee_crc32(const uint8_t *data, size_t length);

#ifdef __cplusplus
}
#endif
#endif
