import { Params, type Initializer } from "../graph/params.js";
import { input } from "../graph/value.js";
import type { RamConfig } from "../model/config.js";
import { ramPlus } from "../model/ram-plus.js";
import { elementCount } from "../tensor/shape.js";
import { normal, seededRandom, type Random } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";

function draw(init: Initializer, random: Random): number {
  switch (init.kind) {
    case "constant":
      return init.value;
    case "normal":
      return init.std * normal(random);
    case "uniform":
      return init.bound * (2 * random() - 1);
  }
}

/** Fresh weights of a network, by the reference's rules: each parameter from a generator of its own, so the order does not matter. */
export function initialWeights(model: RamConfig, seed: number): Map<string, Tensor<"float32">> {
  const p = Params.root();
  ramPlus(input("pixel_values", "float32", [1, 3, model.encoder.imageSize, model.encoder.imageSize]), p, model);
  return new Map(
    p.list().map(({ name, shape, init }) => {
      const random = seededRandom(seed, ...new TextEncoder().encode(name));
      return [name, { dtype: "float32", shape, data: Float32Array.from({ length: elementCount(shape) }, () => draw(init, random)) }];
    }),
  );
}
