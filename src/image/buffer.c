/* buffer.c - bytes that the library makes and the caller frees: the allocator lies in front of them. */
#include "image/image.h"

#include <string.h>

typedef union head {
    at_allocator al; // a copy: the image may be gone by then; no functions in it: malloc
    char room[AT_BUFFER_HEAD];
} head;

void *at_buffer_of(void *block, const at_allocator *al)
{
    head h = {.room = {0}};
    if (al) h.al = *al;
    memcpy(block, &h, sizeof h);
    return (uint8_t *)block + sizeof h;
}

void at_buffer_free(void *buffer)
{
    if (!buffer) return;
    void *start = (uint8_t *)buffer - sizeof(head);
    head h;
    memcpy(&h, start, sizeof h);
    at_free(&h.al, start);
}
