/* networks.h - the list itself; one file of this folder defines each. */
#ifndef AT_MODELS_NETWORKS_H
#define AT_MODELS_NETWORKS_H

#include "models/network.h"

extern const at_network_type at_network_ram;           // ram.c
extern const at_network_type at_network_ram_plus;      // ram_plus.c
extern const at_network_type at_network_tag2text;      // tag2text.c
extern const at_network_type at_network_ram_lite;      // ram_lite.c
extern const at_network_type at_network_bert_sentence; // bert_sentence.c
extern const at_network_type at_network_clip_text;     // clip_text.c

#endif
