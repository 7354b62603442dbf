/* stop.c - Ctrl-C and SIGTERM: the first finishes the pictures at hand, the second stops at once. */
#include "cli.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

// atomic: any thread may be the one that takes the signal
static atomic_int stopped, at_hand, words, silent;

static void on_signal(int sig) // async-signal-safe: write, _exit
{
    if (atomic_exchange(&stopped, sig)) _exit(128 + sig);
    if (silent || sig != SIGINT) return;
    char text[] = "finishing     images; press again to stop now\n";
    const int images = at_hand;
    int n = images > 999 ? 999 : images;
    for (int i = 12; n && i >= 10; i--, n /= 10)
        text[i] = (char)('0' + n % 10);
    if (images < 1) text[12] = '0';
    static const char of_words[] = "finishing the words at hand; press again to stop now\n";
    const char *said = words ? of_words : text;
    const size_t size = words ? sizeof of_words : sizeof text;
    if (write(STDERR_FILENO, "\n", 1) == 1) (void)!write(STDERR_FILENO, said, size - 1);
}

void cli_stop_begin(const cli_options *o)
{
    struct sigaction action = {.sa_handler = on_signal};
    silent = o->quiet;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

void cli_stop_at_hand(size_t images)
{
    at_hand = (int)images;
}

void cli_stop_words(bool at_work)
{
    words = at_work;
}

int cli_stopped(void)
{
    const int sig = stopped;
    return sig ? 128 + sig : 0;
}
