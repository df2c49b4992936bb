export { attachStack, type RunningStack } from './attach.ts'
export { type Controls, connectControls } from './control.ts'
export { readFacts, type StackFacts } from './facts.ts'
export { stackHome } from './home.ts'
