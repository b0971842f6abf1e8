export const sibling = 'beside';
