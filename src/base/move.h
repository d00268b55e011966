// The moves of a node: what a schedule orders and a block carries out.
#ifndef BASE_MOVE_H
#define BASE_MOVE_H

typedef enum {
  MOVE_FORWARD,
  MOVE_BACKWARD,
  MOVE_BACKWARD_INPUT,
  MOVE_BACKWARD_WEIGHT
} Move;  // MOVE_BACKWARD: input and weights together

#endif
