/* Stand-in for the Arduino core of boards whose core Debian lacks, for compiling only. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const uint8_t A0 = 26;
uint32_t micros();
void delay(uint32_t ms);
int analogRead(uint8_t pin);

class SerialPort {
  public:
    void begin(unsigned long baud);
    int available();
    int read();
    int availableForWrite();
    size_t write(const uint8_t *data, size_t length);
};
extern SerialPort Serial;
