import type { Pixels } from "./pixels.js";

/** The part of libheif-js that is used: its C functions. Its own `HeifDecoder` writes to standard output and loses errors. */
interface Libheif {
  heif_context_alloc(): object | null;
  heif_context_free(context: object): void;
  heif_context_read_from_memory(context: object, bytes: Uint8Array): Failure;
  heif_js_context_get_primary_image_handle(context: object): object & Partial<Failure>;
  heif_image_handle_get_width(handle: object): number;
  heif_image_handle_get_height(handle: object): number;
  heif_image_handle_release(handle: object): void;
  heif_js_decode_image2(handle: object, colourSpace: unknown, chroma: unknown): DecodedImage & Partial<Failure>;
  heif_image_release(image: object): void;
  readonly heif_error_code: { readonly heif_error_Ok: unknown };
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown };
  readonly heif_chroma: { readonly heif_chroma_interleaved_RGB: unknown };
}
interface Failure {
  readonly code: unknown;
  readonly message: string;
}
interface DecodedImage {
  readonly image: object;
  readonly channels: readonly { readonly width: number; readonly height: number; readonly stride: number; readonly data: Uint8Array }[];
}

/** libheif-js, or null where it is not installed. */
async function loadLibheif(): Promise<Libheif | null> {
  try {
    // Not a literal, so that type checks and bundlers do without the optional package.
    const specifier = "libheif-js/wasm-bundle.js";
    return ((await import(specifier)) as { default: Libheif }).default;
  } catch {
    return null;
  }
}

/** HEIC photos can be decoded: libheif-js is installed. */
export async function heicDecoderInstalled(): Promise<boolean> {
  return (await loadLibheif()) !== null;
}

function decodePrimary(libheif: Libheif, context: object, bytes: Uint8Array, check: (width: number, height: number) => void): Pixels {
  const read = libheif.heif_context_read_from_memory(context, bytes);
  if (read.code !== libheif.heif_error_code.heif_error_Ok) throw new Error(read.message);
  const handle = libheif.heif_js_context_get_primary_image_handle(context);
  if (!handle || handle.code !== undefined) throw new Error(handle?.message ?? "it holds no picture");
  try {
    check(libheif.heif_image_handle_get_width(handle), libheif.heif_image_handle_get_height(handle));
    const decoded = libheif.heif_js_decode_image2(handle, libheif.heif_colorspace.heif_colorspace_RGB, libheif.heif_chroma.heif_chroma_interleaved_RGB);
    if (!decoded || decoded.code !== undefined) throw new Error(decoded?.message ?? "its picture cannot be decoded");
    try {
      const [channel] = decoded.channels;
      if (channel === undefined) throw new Error("its picture cannot be decoded");
      const { width, height, stride, data } = channel;
      check(width, height);
      const out = new Uint8Array(width * height * 3);
      for (let y = 0; y < height; y++) out.set(data.subarray(y * stride, y * stride + width * 3), y * width * 3);
      return { width, height, data: out };
    } finally {
      libheif.heif_image_release(decoded.image);
    }
  } finally {
    libheif.heif_image_handle_release(handle);
  }
}

/**
 * The primary picture of a HEIC file, turned and mirrored as the file says; null where libheif-js is not installed. Blocks the
 * thread while it decodes. Throws an Error for a broken file; `check` sees the size before the picture is decoded.
 */
export async function decodeHeic(bytes: Uint8Array, check: (width: number, height: number) => void): Promise<Pixels | null> {
  const libheif = await loadLibheif();
  if (libheif === null) return null;
  const context = libheif.heif_context_alloc();
  if (context === null) throw new Error("there is no memory to decode it");
  try {
    return decodePrimary(libheif, context, bytes, check);
  } finally {
    libheif.heif_context_free(context);
  }
}
