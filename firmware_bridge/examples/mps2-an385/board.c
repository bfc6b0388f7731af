/* Registers: Arm MPS2 FPGA prototyping board, application note AN385; CMSDK (DDI 0479). */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART_DATA REGISTER(0x40004000U)
#define UART_STATE REGISTER(0x40004004U)
#define UART_CTRL REGISTER(0x40004008U)
#define UART_CLEAR REGISTER(0x4000400CU)
#define UART_BAUDDIV REGISTER(0x40004010U)
#define UART_TX_FULL 1U
#define UART_RX_FULL 2U
#define UART_RX_CLEAR 2U
#define UART_TX_RX_ON_RX_INTERRUPT 0xBU
#define TIMER_LOAD REGISTER(0x40002000U)
#define TIMER_VALUE REGISTER(0x40002004U)
#define TIMER_CTRL REGISTER(0x40002008U)
#define TIMER_ON_32_BIT_BY_16 0x86U
#define LEDS REGISTER(0x40028000U)
#define NVIC_ENABLE REGISTER(0xE000E100U)
#define SYSTICK_CTRL REGISTER(0xE000E010U)
#define SYSTICK_LOAD REGISTER(0xE000E014U)
#define CLOCK_HZ 25000000U
#define BAUD 115200U
#define RING 512U /* a power of two */

static volatile uint8_t ring[RING];
static volatile uint32_t ring_in;
static volatile uint32_t ring_out;

void board_begin(void) {
    UART_BAUDDIV = CLOCK_HZ / BAUD;
    UART_CTRL = UART_TX_RX_ON_RX_INTERRUPT;
    TIMER_LOAD = 0xFFFFFFFFU;
    TIMER_CTRL = TIMER_ON_32_BIT_BY_16;
    SYSTICK_LOAD = CLOCK_HZ / 1000U - 1U;
    SYSTICK_CTRL = 7U;
    NVIC_ENABLE = 1U;
}

/* The timer counts down by 25 every 16 microseconds; what does not divide is carried over. */
uint32_t board_micros(void) {
    static uint32_t last;
    static uint32_t rest;
    static uint32_t micros;
    uint32_t ticks = 0xFFFFFFFFU - TIMER_VALUE;
    uint32_t passed = ticks - last;
    uint32_t scaled = (passed % 25U) * 16U + rest;
    last = ticks;
    micros += passed / 25U * 16U + scaled / 25U;
    rest = scaled % 25U;
    return micros;
}

void board_leds(bool first, bool second) { LEDS = (first ? 1U : 0U) | (second ? 2U : 0U); }

/* Checked with interrupts off, so that a byte between the check and the sleep still wakes. */
void board_wait(void) {
    __asm volatile("cpsid i" ::: "memory");
    if (ring_in == ring_out) {
        __asm volatile("wfi" ::: "memory");
    }
    __asm volatile("cpsie i" ::: "memory");
}

/* The interrupt is cleared first: a byte that arrives while the others are taken raises it again.
 */
void uart_received(void) {
    UART_CLEAR = UART_RX_CLEAR;
    while ((UART_STATE & UART_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)UART_DATA;
        if (ring_in - ring_out < RING) {
            ring[ring_in % RING] = byte;
            ring_in = ring_in + 1U;
        }
    }
}

void tick(void) {}

size_t board_read(void *context, uint8_t *data, size_t capacity) {
    size_t count = 0;
    (void)context;
    while (count < capacity && ring_out != ring_in) {
        data[count++] = ring[ring_out % RING];
        ring_out = ring_out + 1U;
    }
    return count;
}

size_t board_write(void *context, const uint8_t *data, size_t length) {
    size_t count = 0;
    (void)context;
    while (count < length && (UART_STATE & UART_TX_FULL) == 0) {
        UART_DATA = data[count++];
    }
    return count;
}
