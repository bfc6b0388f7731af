/* The parts of an MPS2 AN385 board that the example uses: UART 0, a microsecond clock, two LEDs. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void board_begin(void);
uint32_t board_micros(void);
void board_leds(bool first, bool second);
/* Sleeps until a byte arrives, a millisecond at most. */
void board_wait(void);

/* The transport of ee_bridge; the context is not used. */
size_t board_read(void *context, uint8_t *data, size_t capacity);
size_t board_write(void *context, const uint8_t *data, size_t length);

#endif
